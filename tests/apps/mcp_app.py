"""An MCP server over HTTP by the official library: `initialize` is answered with `Mcp-Session-Id`."""
import sys

from mcp.server.fastmcp import FastMCP
from mcp.server.transport_security import TransportSecuritySettings

# NGINX passes the name of the site on.
security = TransportSecuritySettings(enable_dns_rebinding_protection=False)
server = FastMCP("test", host="127.0.0.1", port=int(sys.argv[1]), log_level="ERROR", transport_security=security)


@server.tool()
def add(a: int, b: int) -> int:
    return a + b


server.run(transport="streamable-http")
