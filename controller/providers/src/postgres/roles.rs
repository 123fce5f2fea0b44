//! Drops roles of ours, also those that got hold of more than their own database.

use super::error::PgError;
use super::server::Session;
use super::sql::ident;

/// PostgreSQL's code for what others depend on.
const IN_USE: &str = "2BP01";

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
