-- /mcp/{service} and /mcp/{service}@{version}: what the path names is the cluster the request goes
-- to. Only the name is read here; the route demands the whole path, so nothing longer slips through.

-- Who an agent's certificate says it is; only a gateway that asks for certificates has any, and
-- Envoy lets in none that is not valid.
local function is_principal(handle, principal)
  local tls = handle:streamInfo():downstreamSslConnection()
  if not tls or not tls:peerCertificatePresented() then return false end
  for _, uri in ipairs(tls:uriSanPeerCertificate()) do
    if uri == principal then return true end
  end
  return false
end

local function is_matched(handle, headers, rule)
  if rule.principal then return is_principal(handle, rule.principal) end
  return headers:get(rule.header) == rule.value
end

-- Of a service in a rollout the route's metadata says who goes to the new version at once, and
-- which calls are copied to it. A session stays where it was made: that host is in the service's
-- own cluster, and what a copy does must not be felt in it.
local function cluster_for(handle, service)
  local rule = handle:metadata():get(service)
  if not rule then return service end
  local headers = handle:headers()
  if headers:get("mcp-session-id") then return service end
  for _, matches in ipairs(rule.match) do
    if is_matched(handle, headers, matches) then return rule.cluster end
  end
  if rule.mirror and headers:get("mcp-method") == "tools/call"
    and rule.readOnly[headers:get("mcp-name") or ""] and math.random() < rule.mirror then
    headers:replace("x-mcpx-mirror", "mcpx_mirror")
    headers:replace("x-mcpx-mirror-to", rule.cluster)
  end
  return service
end

function envoy_on_request(handle)
  local path = handle:headers():get(":path")
  local service = string.match(path, "^/mcp/([a-z0-9%-]+@?[0-9A-Za-z.+-]*)")
  if service then
    handle:headers():replace("x-mcpx-cluster", cluster_for(handle, service))
    handle:clearRouteCache()
  end
end
