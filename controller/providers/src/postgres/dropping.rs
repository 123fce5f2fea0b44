//! Drops databases and roles of ours, whatever they were made into, and whatever roles got hold of.

use super::error::PgError;
use super::locked::Locked;
use super::server::{Limit, Session};
use super::sql::ident;

/// PostgreSQL's code for what others depend on.
const IN_USE: &str = "2BP01";

/// Drops a database. Its owner may have made it a template, which nobody can drop.
pub(super) async fn drop_database(
    at: &mut Locked<'_>,
    name: &str,
    doing: &str,
) -> Result<(), PgError> {
    // Only then: what is left of a drop that was cut off cannot be altered any more.
    if at.catalog.databases.get(name).is_some_and(|database| database.is_template) {
        let sql = format!("ALTER DATABASE {} IS_TEMPLATE false", ident(name));
        at.session.run(sql, doing).await?;
    }
    let sql = format!("DROP DATABASE {} WITH (FORCE)", ident(name));
    at.session.run_within(Limit::Copy, sql, doing).await
}

/// Drops a role whose database is gone. On a server of somebody else's it may own something in the
/// administrator's database, or have been given rights there: that goes with it. What is in other databases is
/// not ours to enter, and is named.
pub(super) async fn drop_role(session: &mut Session<'_>, role: &str) -> Result<(), PgError> {
    let doing = format!("drop the role {role}");
    let sql = format!("DROP ROLE {}", ident(role));
    match session.run(sql.clone(), &doing).await {
        Err(error) if error.code() == Some(IN_USE) => {}
        other => return other,
    }
    let sql = format!("DROP OWNED BY {}; {sql}", ident(role));
    match session.run(sql, &doing).await {
        Err(PgError::Refused { answer, .. }) if answer.code == IN_USE => {
            Err(PgError::RoleInUse { role: role.to_owned(), answer })
        }
        other => other,
    }
}
