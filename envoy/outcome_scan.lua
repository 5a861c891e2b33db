-- Runs in the clusters of a service in a rollout, and nowhere else. Says of an answer whether MCP
-- calls it an error; the bytes pass on untouched and at once.
local find, match, sub, byte = string.find, string.match, string.sub, string.byte

-- Of an answer as long as nothing in it looks like an error, this much is kept to be read.
local keep = 65536

-- Every answer is looked at up to this many a second and worker; above it, a share of them. Low,
-- because looking costs a fifth of a call: so it is a fifth of what hardly loads a worker.
local whole = 200
local second, answered, share = 0, 0, 1

-- The share follows from the second before, and falls as soon as this one is busier. So it is
-- settled before any answer is known, and all versions in this cluster are thinned alike: what is
-- left is a fair sample of good and bad calls.
local function share_now()
  local now = os.time()
  if now ~= second then
    share = (now == second + 1 and answered > whole) and whole / answered or 1
    second, answered = now, 0
  end
  answered = answered + 1
  if answered * share > whole then share = whole / answered end
  return share
end

-- A key stands in bare quotes; inside of a string they are escaped and do not match.
local function is_suspicious(text)
  if find(text, '"error"', 1, true) then return true end
  local from = 1
  while true do
    local _, last = find(text, '"isError"', from, true)
    if not last then return false end
    if not match(text, "^%s*:%s*f", last + 1) then return true end
    from = last + 1
  end
end

-- Exact: an `error` object at the message's top level, `isError: true` directly in its `result`.
local function verdict(text)
  local depth, key, at = 0, nil, 1
  -- The messages of a batch stand one deeper.
  local base = match(text, "^%s*%[") and 1 or 0
  while true do
    local here = find(text, '["{}%[%]]', at)
    if not here then return nil end
    local sign = byte(text, here)
    at = here + 1
    if sign == 34 then
      local last = here
      repeat
        last = find(text, '["\\]', last + 1)
        if not last then return nil end
        local ends = byte(text, last) == 34
        if not ends then last = last + 1 end
      until ends
      at = last + 1
      local level = depth - base
      if level == 1 and match(text, "^%s*:", at) then
        key = sub(text, here + 1, last - 1)
        if key == "error" and match(text, "^%s*:%s*{", at) then return "rpc_error" end
      elseif level == 2 and key == "result" and last - here == 8
        and sub(text, here + 1, last - 1) == "isError" and match(text, "^%s*:%s*true", at) then
        return "tool_error"
      end
    elseif sign == 123 or sign == 91 then depth = depth + 1
    else depth = depth - 1 end
  end
end

-- Of an answer too long to keep: its last field.
local function ending(text)
  if match(text, '"isError"%s*:%s*true%s*[,}]') then return "tool_error" end
end

local function of_event(event)
  if not is_suspicious(event) then return nil end
  local data = string.gsub("\n" .. event, "[\r\n]+data: ?", "\n")
  return verdict(data)
end

local function of_json(handle)
  local kept, size, is_cut, suspect, carry = {}, 0, false, false, ""
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    if length > 0 then
      local text = chunk:getBytes(0, length)
      suspect = suspect or is_suspicious(carry .. text)
      carry = sub(carry .. text, -256)
      size = size + length
      if not is_cut then kept[#kept + 1] = text end
      if (size > keep and not suspect) or size > 16 * keep then is_cut = true; kept = {} end
    end
  end
  if not suspect then return nil end
  if is_cut then return ending(carry) end
  return verdict(table.concat(kept))
end

local function of_stream(handle)
  local held, outcome, from = "", nil, 1
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    if length > 0 and not outcome then
      held = held .. chunk:getBytes(0, length)
      while true do
        local first, last = find(held, "\r?\n\r?\n", from)
        if not first then break end
        outcome = outcome or of_event(sub(held, 1, first))
        held, from = sub(held, last + 1), 1
      end
      if #held > keep then
        outcome = outcome or ending(held)
        held = sub(held, -256)
      end
      from = math.max(1, #held - 3)
    end
  end
  return outcome or of_event(held)
end

-- There is no envoy_on_request: it would cost every call as much as all of this does one that is
-- not in the sample. What is no call of a tool is left out by the log's filter. A call that is
-- tried again is answered once, so it is in the sample once or not at all.
function envoy_on_response(handle)
  local part = share_now()
  if part < 1 and math.random() >= part then return end
  handle:streamInfo():dynamicMetadata():set("mcpx", "share", string.format("%.4g", part))
  local headers = handle:headers()
  local kind = headers:get("content-type")
  if not kind then return end
  local outcome
  if headers:get("content-encoding") then outcome = "unread"
  elseif find(kind, "application/json", 1, true) then outcome = of_json(handle)
  elseif find(kind, "text/event-stream", 1, true) then outcome = of_stream(handle) end
  -- Asked for anew: what was got before the body was waited for is not valid any more.
  if outcome then handle:streamInfo():dynamicMetadata():set("mcpx", "outcome", outcome) end
end
