#!/usr/bin/env python3
"""Tests a running server with Python's `gql` and each of its transports: query, mutation, subscription, resumption.

    python tests/clients/python/gql_client.py --binary target/debug/partyline

Exits with 1 at the first failed check; otherwise prints `N passed, 0 failed`.
"""

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path

from gql import Client, GraphQLRequest, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

from partyline import Failure, Server, serving

SECONDS = 20  # limit of each wait
INBOX = gql("{ threads(first: 1) { nodes { id status lastMessage { body } } } }")
CURSOR = gql("{ eventCursor }")
UNKNOWN_FIELD = gql("{ noSuchField }")
CLAIM = gql("""
  mutation Claim($input: ClaimThreadInput!) {
    claimThread(input: $input) {
      thread { status assignee { name } }
      userErrors { code ... on ThreadAlreadyClaimedError { claimedBy { name } } }
    }
  }
""")
INBOUND = gql("""
  subscription Inbound($after: EventCursor) {
    inboundMessage(after: $after) { cursor replayed message { body } }
  }
""")
HTTP = {"aiohttp": AIOHTTPTransport, "httpx": HTTPXAsyncTransport}
SOCKETS = {"websockets": WebsocketsTransport, "aiohttp's sockets": AIOHTTPWebsocketsTransport}


def asked(document: GraphQLRequest, variables: dict | None) -> GraphQLRequest:
    return GraphQLRequest(document, variable_values=variables)


class Checks:
    """Counts passed checks, and raises at the first failed one."""

    def __init__(self) -> None:
        self.passed = 0

    def equal(self, what: str, found: object, expected: object) -> None:
        if found != expected:
            raise Failure(f"{what}: expected {expected!r}, found {found!r}")
        self.passed += 1


def over_http(server: Server, name: str, user: str) -> Client:
    headers = {"Authorization": f"Bearer {server.token(user)}"}
    return Client(transport=HTTP[name](f"{server.origin}/graphql", headers=headers), execute_timeout=SECONDS)


def over_socket(server: Server, name: str, user: str, token: str | None = None) -> Client:
    url = f"{server.origin.replace('http', 'ws')}/graphql/ws"
    init_payload = {"authorization": f"Bearer {token or server.token(user)}"}
    transport = SOCKETS[name](
        url,
        init_payload=init_payload,
        # By default it also offers an older subprotocol, and it does not find the server's `sec-websocket-protocol`,
        # because it looks for that header in capitals.
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        close_timeout=1,  # otherwise it waits longer after a refused connection_init
    )
    return Client(transport=transport, execute_timeout=SECONDS)


async def codes(refused: Awaitable) -> list[str]:
    """Returns the codes of the errors with which an operation is refused; an empty list if it succeeds."""
    try:
        await refused
    except TransportQueryError as refusal:
        return [error["extensions"]["code"] for error in refusal.errors]
    return []


async def queries_and_mutations(server: Server, checks: Checks, name: str, ana: Client, ben: Client) -> None:
    sender = f"+1303556{checks.passed:04}"  # a separate thread
    server.text("May I come at ten?", sender=sender)
    async with ana as anas, ben as bens:
        (thread,) = (await anas.execute(INBOX))["threads"]["nodes"]
        checks.equal(f"{name}: the thread", thread["status"], "UNCLAIMED")
        checks.equal(f"{name}: its text", thread["lastMessage"]["body"], "May I come at ten?")
        claim = asked(CLAIM, {"input": {"threadId": thread["id"]}})
        won = (await anas.execute(claim))["claimThread"]
        claimed = {"status": "CLAIMED", "assignee": {"name": "Ana Lopez"}}
        checks.equal(f"{name}: the first claim", won["thread"], claimed)
        checks.equal(f"{name}: its errors", won["userErrors"], [])
        lost = (await bens.execute(claim))["claimThread"]
        error = {"code": "ALREADY_CLAIMED", "claimedBy": {"name": "Ana Lopez"}}
        checks.equal(f"{name}: the second claim", lost, {"thread": None, "userErrors": [error]})
        checks.equal(f"{name}: the refusal", await codes(anas.execute(UNKNOWN_FIELD)), ["GRAPHQL_VALIDATION_FAILED"])


class Subscriber:
    """A subscription whose events are awaited one by one."""

    def __init__(self, session, cursor: str) -> None:
        self.events = session.subscribe(asked(INBOUND, {"after": cursor}))

    async def next(self) -> dict:
        async with asyncio.timeout(SECONDS):
            return (await anext(self.events))["inboundMessage"]


def bodies(events: list[dict]) -> list[str]:
    return [event["message"]["body"] for event in events]


async def resumption(server: Server, checks: Checks, name: str) -> None:
    cursor = server.ask("{ eventCursor }")["eventCursor"]
    seen = []
    client = over_socket(server, name, "ana")
    session = await client.connect_async()
    subscriber = Subscriber(session, cursor)
    server.text("1")
    seen.append(await subscriber.next())
    for body in ("2", "3"):  # delivered live
        server.text(body)
        seen.append(await subscriber.next())
        checks.equal(f"{name}: {body} was live", seen[-1]["replayed"], False)

    disconnect(client.transport)
    try:
        await subscriber.next()
    except TransportError:
        checks.equal(f"{name}: events before the disconnect", bodies(seen), list("123"))
    else:
        raise Failure(f"{name}: the disconnect was not detected")
    with suppress(TransportError):
        await client.close_async()

    for body in ("4", "5", "6"):  # no subscriber is connected
        server.text(body)
    async with over_socket(server, name, "ana") as session:
        subscriber = Subscriber(session, seen[-1]["cursor"])
        for _ in range(3):
            seen.append(await subscriber.next())
            checks.equal(f"{name}: missed events are replayed", seen[-1]["replayed"], True)
        server.text("7")
        seen.append(await subscriber.next())
        checks.equal(f"{name}: later events are live", seen[-1]["replayed"], False)
    checks.equal(f"{name}: every event exactly once", bodies(seen), list("1234567"))
    checks.equal(f"{name}: cursors are unique", len({event["cursor"] for event in seen}), len(seen))


def disconnect(transport: WebsocketsTransport | AIOHTTPWebsocketsTransport) -> None:
    """Breaks the connection of a transport without a close frame."""
    socket = transport.adapter.websocket
    stream = socket.transport if isinstance(transport, WebsocketsTransport) else socket._response.connection.transport
    stream.abort()


async def refusals(server: Server, checks: Checks, name: str) -> None:
    async with over_socket(server, name, "ana") as session:
        checks.equal(f"{name}: a bad cursor", await codes(Subscriber(session, "no cursor").next()), ["BAD_USER_INPUT"])
    try:
        async with over_socket(server, name, "ana", token="nobody"):
            entered = True
    except TransportError:
        entered = False
    checks.equal(f"{name}: a bad token is refused", entered, False)


async def run(server: Server, checks: Checks) -> None:
    for name in HTTP:
        await queries_and_mutations(server, checks, name, *(over_http(server, name, user) for user in ("ana", "ben")))
    for name in SOCKETS:
        await queries_and_mutations(server, checks, name, *(over_socket(server, name, user) for user in ("ana", "ben")))
        await resumption(server, checks, name)
        await refusals(server, checks, name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/debug/partyline")
    checks = Checks()
    try:
        with serving(str(Path(parser.parse_args().binary).resolve())) as server:
            asyncio.run(run(server, checks))
    except (Failure, TransportError, TimeoutError, OSError, subprocess.SubprocessError) as error:
        print(f"gql_client: {error!r}", file=sys.stderr)
        return 1
    print(f"{checks.passed} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
