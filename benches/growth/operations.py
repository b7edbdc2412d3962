"""The operations that are measured, and the target of those that have one."""

from dataclasses import dataclass

from shared import CLAIM, INBOX

LIMIT = 1.3  # × the cost with the fewest messages
SEARCHED = 7  # the thread whose contact is searched for
NODES = INBOX["query"].partition("nodes ")[2]


def inbox(arguments):
    return {"query": f"query {{ threads({arguments}) {{ nodes {NODES}"}


RELEASE = {
    "query": "mutation($t: ID!) { releaseThread(input: {threadId: $t}) { thread { id } userErrors { code } } }",
    "variables": {"t": "$ID"},
}
CURSOR = {"query": "query($a: String) { threads(first: 20, after: $a) { pageInfo { endCursor } } }"}
TIMELINE = (
    '{{ node(id: "{thread}") {{ ... on Thread {{ timeline(last: 50) {{ nodes {{ __typename '
    "... on Message {{ id body status createdAt }} ... on ThreadActivity {{ id kind createdAt }} }} }} }} }} }}"
)
COUNTS = {"query": "{ threadCounts { open unclaimed mine mineUnread needsReply closed } }"}
NOTIFICATIONS = {
    "query": "{ notifications(first: 20, unreadOnly: true) { totalCount nodes { id kind thread { id } } } }",
}


@dataclass(frozen=True)
class Operation:
    name: str  # in the file of the results
    label: str  # in the report
    clients: int
    count: int  # requests of each measurement
    has_target: bool = True


KNOWN, KNOWN_16 = "text_known_1", "text_known_16"
NEW_16, CLAIM_1, CLAIM_16 = "text_new_16", "claim_1", "claim_16"
FAN, IDLE = "fan_200", "idle"

TEXTS = (
    Operation(KNOWN, "text of a known contact, 1 client", 1, 200),
    Operation(KNOWN_16, "text of a known contact, 16 clients", 16, 800),
    Operation(NEW_16, "text of a new contact, 16 clients", 16, 200),
)
QUERIES = (
    Operation("inbox_admin", "inbox of an admin", 1, 200),
    Operation("inbox_member", "inbox of a member", 1, 200),
    Operation("inbox_unclaimed", "inbox, unclaimed threads", 1, 200),
    Operation("inbox_claimed", "inbox, claimed threads, all on one page", 1, 50),
    Operation("inbox_mine", "inbox, threads of the viewer, all on one page", 1, 50),
    Operation("inbox_unread", "inbox, unread threads of a member", 1, 200),
    Operation("inbox_page_20", "inbox, page 20 of 20 threads each", 1, 200),
    Operation("inbox_search", "inbox, search for one name", 1, 50),
    Operation("timeline", "timeline of one thread", 1, 200, False),
    Operation("counts_member", "numbers of threads of a member", 1, 100, False),
    Operation("notifications", "unread notifications of a member", 1, 100, False),
)
CLAIMS = (
    Operation(CLAIM_1, "claim", 1, 0),
    Operation(CLAIM_16, "claim, 16 clients claim the same threads", 16, 0),
)
OTHERS = (
    Operation(FAN, "delivery to one of 200 subscribers", 200, 20, False),
    Operation(IDLE, "no requests, CPU per second", 0, 0, False),
)
OPERATIONS = TEXTS + QUERIES + CLAIMS + OTHERS
MEMBER_QUERIES = {"inbox_member", "inbox_unread", "counts_member", "notifications"}


def query_bodies(cursor, closed_thread, searched_name):
    """The body of the request of each query."""
    return {
        "inbox_admin": INBOX,
        "inbox_member": INBOX,
        "inbox_unclaimed": inbox("first: 50, filter: {status: [UNCLAIMED]}"),
        "inbox_claimed": inbox("first: 50, filter: {status: [CLAIMED]}"),
        "inbox_mine": inbox("first: 50, filter: {assignedToMe: true}"),
        "inbox_unread": inbox("first: 50, filter: {unread: true}"),
        "inbox_page_20": inbox(f'first: 20, after: "{cursor}"'),
        "inbox_search": inbox(f'first: 50, filter: {{search: "{searched_name}"}}'),
        "timeline": {"query": TIMELINE.format(thread=closed_thread)},
        "counts_member": COUNTS,
        "notifications": NOTIFICATIONS,
    }


CLAIM_BODIES = {"claim": CLAIM, "release": RELEASE}
