import os

from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier

issuer, port = os.environ["ISSUER"], int(os.environ["PORT"])
here = f"http://127.0.0.1:{port}"  # in production the https origin


class Verifier(JWTVerifier):
    async def verify_token(self, token):
        access = await super().verify_token(token)
        if access and "cnf" in access.claims:  # bound to a key: good with a DPoP proof alone
            return None
        return access


verifier = Verifier(
    jwks_uri=issuer + "/.well-known/jwks.json",
    issuer=issuer,
    audience=here + "/mcp",  # the resource, as AUTHZ_RESOURCE names it
    required_scopes=["tools:call"],
)
auth = RemoteAuthProvider(token_verifier=verifier, authorization_servers=[issuer], base_url=here)
mcp = FastMCP("Adder", auth=auth)


@mcp.tool
def add(a: int, b: int) -> int:
    return a + b


if __name__ == "__main__":
    mcp.run(transport="http", host="127.0.0.1", port=port)
