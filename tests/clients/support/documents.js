// The clients' documents, with operation names, and with `__typename` where client caches need it.

export const INBOX = /* GraphQL */ `
  query Inbox {
    threads(first: 10) {
      __typename
      nodes {
        __typename
        id
        status
        contact {
          __typename
          id
          phone
        }
        lastMessage {
          __typename
          id
          body
        }
      }
    }
  }
`;

export const CURSOR = /* GraphQL */ `
  query Cursor {
    eventCursor
  }
`;

export const CLAIM = /* GraphQL */ `
  mutation Claim($input: ClaimThreadInput!) {
    claimThread(input: $input) {
      __typename
      thread {
        __typename
        id
        status
        assignee {
          __typename
          id
          name
        }
      }
      userErrors {
        __typename
        code
        ... on ThreadAlreadyClaimedError {
          claimedBy {
            __typename
            id
            name
          }
        }
      }
    }
  }
`;

export const INBOUND = /* GraphQL */ `
  subscription Inbound($after: EventCursor) {
    inboundMessage(after: $after) {
      __typename
      cursor
      replayed
      message {
        __typename
        id
        body
      }
    }
  }
`;

export const UNKNOWN_FIELD = /* GraphQL */ `
  query Unknown {
    noSuchField
  }
`;
