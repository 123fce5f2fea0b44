//! Everything about a server's databases and roles that we ever ask, in one query for all agents.

use std::collections::BTreeMap;

use super::error::PgError;
use super::note::Note;
use super::server::Session;

/// One look at a server.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// By name.
    pub databases: BTreeMap<String, Database>,
    /// By name.
    pub roles: BTreeMap<String, Role>,
}

/// A database.
#[derive(Debug, Clone, Default)]
pub struct Database {
    /// Its owner role.
    pub owner: String,
    /// Anybody may connect at all.
    pub allow_connections: bool,
    /// Marked as a template.
    pub is_template: bool,
    /// No more than a number of sessions may be open.
    pub limited: bool,
    /// Every role may connect.
    pub public_connect: bool,
    /// A `DROP DATABASE` was interrupted: it can only be dropped.
    pub invalid: bool,
    /// Our comment.
    pub note: Option<Note>,
}

/// A role.
#[derive(Debug, Clone, Default)]
pub struct Role {
    /// It may log in.
    pub can_login: bool,
    /// It may do more than an agent's role may.
    pub privileged: bool,
    /// It may have no more than a number of sessions, or log in until some day only.
    pub limited: bool,
    /// What it was made a member of.
    pub memberships: Vec<Membership>,
    /// Our comment.
    pub note: Option<Note>,
    /// Its stored password, where we may read it.
    pub verifier: Option<String>,
}

/// A role that another one may act as.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The role.
    pub role: String,
    /// Who made it so.
    pub grantor: String,
}

impl Catalog {
    /// Looks. Only a superuser sees verifiers.
    pub async fn read(session: &mut Session<'_>) -> Result<Self, PgError> {
        let (roles, verifier) = if session.facts().superuser {
            ("pg_authid", "r.rolpassword")
        } else {
            ("pg_roles", "NULL")
        };
        let sql = format!(
            "SELECT true, d.datname::text, o.rolname::text, d.datallowconn, d.datistemplate, \
               d.datconnlimit = -2, d.datconnlimit >= 0, \
               EXISTS (SELECT FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a \
                       WHERE a.grantee = 0 AND a.privilege_type = 'CONNECT'), \
               shobj_description(d.oid, 'pg_database'), NULL::text[], NULL::text[] \
             FROM pg_database d LEFT JOIN pg_roles o ON o.oid = d.datdba \
             UNION ALL \
             SELECT false, r.rolname::text, {verifier}::text, r.rolcanlogin, \
               r.rolsuper OR r.rolcreatedb OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls, \
               false, r.rolconnlimit >= 0 OR coalesce(r.rolvaliduntil, 'infinity') < 'infinity', \
               false, shobj_description(r.oid, 'pg_authid'), m.roles, m.grantors \
             FROM {roles} r LEFT JOIN ( \
               SELECT m.member, array_agg(o.rolname::text) AS roles, \
                 array_agg(coalesce(g.rolname::text, '')) AS grantors \
               FROM pg_auth_members m JOIN pg_roles o ON o.oid = m.roleid \
                 LEFT JOIN pg_roles g ON g.oid = m.grantor \
               GROUP BY m.member) m ON m.member = r.oid"
        );
        let rows = session.rows(&sql, "list databases and roles").await?;
        let server = session.server();
        let mut catalog = Self::default();
        for row in &rows {
            let name: String = server.column(row, 1)?;
            let text: Option<String> = server.column(row, 2)?;
            let comment: Option<String> = server.column(row, 8)?;
            let note = comment.as_deref().and_then(Note::parse);
            if server.column(row, 0)? {
                let database = Database {
                    owner: text.unwrap_or_default(),
                    allow_connections: server.column(row, 3)?,
                    is_template: server.column(row, 4)?,
                    invalid: server.column(row, 5)?,
                    limited: server.column(row, 6)?,
                    public_connect: server.column(row, 7)?,
                    note,
                };
                catalog.databases.insert(name, database);
            } else {
                let roles: Option<Vec<String>> = server.column(row, 9)?;
                let grantors: Option<Vec<String>> = server.column(row, 10)?;
                let pairs = roles.into_iter().flatten().zip(grantors.into_iter().flatten());
                let role = Role {
                    can_login: server.column(row, 3)?,
                    privileged: server.column(row, 4)?,
                    limited: server.column(row, 6)?,
                    memberships: pairs
                        .map(|(role, grantor)| Membership { role, grantor })
                        .collect(),
                    note,
                    verifier: text,
                };
                catalog.roles.insert(name, role);
            }
        }
        Ok(catalog)
    }
}
