import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

server, callback = sys.argv[1:3]


class Memory:  # an agent of yours keeps both where only it can read
    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


async def open_browser(url):  # webbrowser.open(url), in an agent of yours
    print(json.dumps({"do": "visit", "url": url}), flush=True)


async def wait_for_answer():  # what arrives at the redirect URI
    query = parse_qs(urlsplit(json.loads(sys.stdin.readline())["url"]).query)
    return AuthorizationCodeResult(**{name: query[name][0] for name in ("code", "state", "iss")})


async def main():
    provider = OAuthClientProvider(
        server,
        OAuthClientMetadata(client_name="Agent", redirect_uris=[callback], token_endpoint_auth_method="none"),
        Memory(),
        open_browser,
        wait_for_answer,
    )
    async with httpx2.AsyncClient(auth=provider) as http:
        async with streamable_http_client(server, http_client=http) as (read, write):
            async with ClientSession(read, write) as session:
                await session.initialize()
                result = await session.call_tool("add", {"a": 2, "b": 3})
                print(json.dumps({"done": "2 + 3 = " + result.content[0].text}))


asyncio.run(main())
