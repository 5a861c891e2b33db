-- /mcp/{service}: the service named by the path is the cluster the request goes to.
-- Only the name is read here; the route demands the whole path, so nothing longer slips through.
function envoy_on_request(handle)
  local service = string.match(handle:headers():get(":path"), "^/mcp/([a-z0-9%-]+)")
  if service then
    handle:headers():replace("x-mcpx-cluster", service)
    handle:clearRouteCache()
  end
end
