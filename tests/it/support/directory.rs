//! The agencies of the tests: acme, a sister agency on the same Twilio account, and an agency on another account.

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const OTHER_ACCOUNT: &str = "AC00000000000000000000000000000002";
pub(crate) const OTHER_TOKEN: &str = "fedcba9876543210fedcba9876543210";

/// Acme's number with Ben (primary) and Chloe in its pool.
pub(crate) const DESK: &str = "+13035550100";
/// Acme's number with Chloe and Dev in its pool.
pub(crate) const NURSES: &str = "+13035550101";
/// Acme's number without a pool.
pub(crate) const EMPTY: &str = "+13035550102";
/// The sister's number, on acme's account.
pub(crate) const SISTER: &str = "+13035550150";
/// The other agency's number, on its own account.
pub(crate) const OTHER: &str = "+14155550100";

pub(crate) const AGENCIES: &str = r#"
agencies:
  - key: acme
    name: Acme Health
    timeZone: America/Denver
    twilio: {accountSid: AC00000000000000000000000000000001, authToken: 0123456789abcdef0123456789abcdef}
    users:
      - {key: ana, name: Ana Lopez, role: ADMIN, phone: "+13035550111"}
      - {key: ben, name: Ben Ode, role: MEMBER, phone: "+13035550112"}
      - {key: chloe, name: Chloe Park, role: MEMBER}
      - {key: dev, name: Dev Shah, role: MEMBER}
    phoneNumbers:
      - number: "+13035550100"
        label: Front desk
        pool:
          - {user: ben, primary: true}
          - {user: chloe}
      - number: "+13035550101"
        label: Nurse line
        pool:
          - {user: chloe}
          - {user: dev}
      - number: "+13035550102"
        label: Nobody's
    extensions:
      - {digits: "101", user: dev}
      - {digits: "102", user: chloe, number: "+13035550100"}
    contacts:
      - {phone: "+13035560001", name: Carla Ruiz}
      - {phone: "+13035560002", name: Tom Becker, provider: dev}
  - key: sister
    name: Sister Clinic
    timeZone: America/Denver
    twilio: {accountSid: AC00000000000000000000000000000001, authToken: 0123456789abcdef0123456789abcdef}
    users:
      - {key: sam, name: Sam Stone, role: ADMIN}
    phoneNumbers:
      - {number: "+13035550150", label: Sister, pool: [{user: sam}]}
  - key: other
    name: Other Agency
    timeZone: Europe/Berlin
    twilio: {accountSid: AC00000000000000000000000000000002, authToken: fedcba9876543210fedcba9876543210}
    users:
      - {key: olga, name: Olga Orlova, role: ADMIN}
    phoneNumbers:
      - {number: "+14155550100", label: Other, pool: [{user: olga}]}
"#;
