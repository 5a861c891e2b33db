-- Runs in the clusters of a service in a rollout, and nowhere else. Says of an answer that it has
-- come, whether MCP calls it an error, and whether it is one to a call at all; the bytes pass on
-- untouched and at once.
local find, match, sub, byte = string.find, string.match, string.sub, string.byte

-- Of an answer as long as nothing in it looks like an error, this much is kept to be read.
local keep = 65536

-- What kind of message it is stands in this much of it.
local beginning = 1024

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

-- Keys of results by which nothing was called, read or got: of the handshake, of lists, of what
-- completes an argument. To a ping, or to what sets or subscribes, the result is empty.
local no_call = {
  protocolVersion = true, completion = true,
  tools = true, prompts = true, resources = true, resourceTemplates = true,
}

-- With these a result is one to a call.
local of_call = { content = true, contents = true, messages = true }

-- Exact: an `error` object at the message's top level, `isError: true` directly in its `result`,
-- or there what shows that it is no call. Of a text that is cut off, as far as it goes; of one
-- without errors no further than until it is clear what it answers.
local function verdict(text, is_well)
  local depth, key, at, seen = 0, nil, 1, nil
  -- The messages of a batch stand one deeper.
  local base = match(text, "^%s*%[") and 1 or 0
  while true do
    local here = find(text, '["{}%[%]]', at)
    if not here then return seen end
    local sign = byte(text, here)
    at = here + 1
    if sign == 34 then
      local last = here
      repeat
        last = find(text, '["\\]', last + 1)
        if not last then return seen end
        local ends = byte(text, last) == 34
        if not ends then last = last + 1 end
      until ends
      at = last + 1
      local level = depth - base
      if level == 1 and match(text, "^%s*:", at) then
        key = sub(text, here + 1, last - 1)
        if key == "error" and match(text, "^%s*:%s*{", at) then return "rpc_error" end
        if key == "result" then
          -- What else is in a batch is not known yet.
          if base == 0 and match(text, "^%s*:%s*{%s*}", at) then return "no_call" end
          seen = "answered"
        end
      elseif level == 2 and key == "result" and match(text, "^%s*:", at) then
        local field = sub(text, here + 1, last - 1)
        if field == "isError" and match(text, "^%s*:%s*true", at) then return "tool_error" end
        if no_call[field] and base == 0 then return "no_call" end
        if is_well and of_call[field] then return "answered" end
      end
    elseif sign == 123 or sign == 91 then depth = depth + 1
    else depth = depth - 1 end
  end
end

-- Of an answer too long to keep: its last field.
local function ending(text)
  if match(text, '"isError"%s*:%s*true%s*[,}]') then return "tool_error" end
end

local function data_of(event)
  return (string.gsub("\n" .. event, "[\r\n]+data: ?", "\n"))
end

local function of_event(event)
  if is_suspicious(event) then return verdict(data_of(event)) end
  return verdict(data_of(sub(event, 1, beginning)), true)
end

local function tell(handle, outcome)
  -- Asked for anew: what was got before the body was waited for is not valid any more.
  handle:streamInfo():dynamicMetadata():set("mcpx", "outcome", outcome)
end

-- The whole answer. That a short one has come need not be told: Envoy has taken it wholly then, so
-- the agent cannot leave any more before it is over.
local function of_json(handle)
  local kept, size, is_cut, suspect, carry, head = {}, 0, false, false, "", ""
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    if length > 0 then
      local text = chunk:getBytes(0, length)
      suspect = suspect or is_suspicious(carry .. text)
      carry = sub(carry .. text, -256)
      if size < beginning then head = head .. sub(text, 1, beginning) end
      size = size + length
      if not is_cut then kept[#kept + 1] = text end
      if (size > keep and not suspect) or size > 16 * keep then is_cut = true; kept = {} end
    end
  end
  local outcome
  if not suspect then outcome = verdict(head, true)
  elseif is_cut then outcome = ending(carry) or verdict(head, true)
  else outcome = verdict(table.concat(kept)) end
  outcome = outcome or "answered"
  return (outcome ~= "answered" or size > keep) and outcome or nil
end

-- Told as soon as it is known: a stream may go on after its answer, and the agent need not wait.
local function of_stream(handle)
  local held, from, is_cut, outcome = "", 1, false, nil
  -- A batch may be answered by several events; an error among them is what counts.
  local is_open = true
  local function note(found)
    if not found or not is_open or found == outcome then return end
    outcome, is_open = found, found == "answered"
    tell(handle, found)
  end
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    if length > 0 and is_open then
      held = held .. chunk:getBytes(0, length)
      while true do
        local first, last = find(held, "\r?\n\r?\n", from)
        if not first then break end
        local event = sub(held, 1, first)
        note(is_cut and ending(event) or not is_cut and of_event(event))
        held, from, is_cut = sub(held, last + 1), 1, false
      end
      if #held > keep then
        note(ending(held))
        if not is_cut then note(verdict(data_of(sub(held, 1, beginning)), true)) end
        held, is_cut = sub(held, -256), true
      end
      from = math.max(1, #held - 3)
    end
  end
  note(is_cut and ending(held) or not is_cut and of_event(held))
end

-- There is no envoy_on_request: it would cost every call as much as all of this does one that is
-- not in the sample. So the method is not known here. The log's filter leaves out what says by its
-- header that it is no call; where the header is missing, as in legacy sessions, the answer shows
-- it. A call that is tried again is answered once, so it is in the sample once or not at all.
function envoy_on_response(handle)
  local part = share_now()
  if part < 1 and math.random() >= part then return end
  handle:streamInfo():dynamicMetadata():set("mcpx", "share", string.format("%.4g", part))
  local headers = handle:headers()
  local kind = headers:get("content-type")
  if not kind then return end
  if headers:get("content-encoding") then tell(handle, "unread")
  elseif find(kind, "application/json", 1, true) then
    local outcome = of_json(handle)
    if outcome then tell(handle, outcome) end
  elseif find(kind, "text/event-stream", 1, true) then of_stream(handle) end
end
