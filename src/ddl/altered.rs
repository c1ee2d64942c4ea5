//! Changes that an ALTER TABLE made to the values of columns, to triggers, row security and inheritance.

use pgrx::pg_sys::{self, AlterTableType};

use super::casts;
use super::node::{pointers, text};

/// A table that was altered.
#[derive(Debug)]
pub struct Altered {
    /// The table.
    pub relation: pg_sys::Oid,
    /// Columns whose values may have changed.
    pub columns: Vec<Rewritten>,
    /// Tables that it now inherits from, or no longer does.
    pub parents: Vec<pg_sys::Oid>,
    /// Tables that became partitions of it, or no longer are. `None` stands for a table that Postgres does
    /// not report, as version 15 does not.
    pub partitions: Vec<Option<pg_sys::Oid>>,
    /// The change of triggers; `None` if there was none.
    pub switched: Option<Switched>,
    /// True if row security was enabled.
    pub secured: bool,
}

/// A column whose values may have changed.
#[derive(Debug)]
pub struct Rewritten {
    /// Its name.
    pub name: String,
    /// The types through which its values were cast, in order, qualified; `None` if the values were not
    /// computed by casts.
    pub casts: Option<Vec<String>>,
}

/// Triggers that were enabled or disabled.
#[derive(Debug)]
pub enum Switched {
    /// The trigger of this name was enabled, in the sessions given by this letter of `pg_trigger.tgenabled`.
    Enabled(String, char),
    /// All or all user triggers were enabled, or some triggers were disabled.
    Otherwise,
}

/// Returns whether the extension reacts to a subcommand of ALTER TABLE.
pub fn is_followed(command: AlterTableType::Type) -> bool {
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    if command == AlterTableType::AT_SetExpression {
        return true;
    }
    matches!(
        command,
        AlterTableType::AT_AlterColumnType
            | AlterTableType::AT_EnableRowSecurity
            | AlterTableType::AT_AddInherit
            | AlterTableType::AT_DropInherit
            | AlterTableType::AT_AttachPartition
            | AlterTableType::AT_DetachPartition
            | AlterTableType::AT_DetachPartitionFinalize
            | AlterTableType::AT_EnableTrig
            | AlterTableType::AT_EnableAlwaysTrig
            | AlterTableType::AT_EnableReplicaTrig
            | AlterTableType::AT_EnableTrigAll
            | AlterTableType::AT_EnableTrigUser
            | AlterTableType::AT_DisableTrig
            | AlterTableType::AT_DisableTrigAll
            | AlterTableType::AT_DisableTrigUser
    )
}

impl Altered {
    /// Reads the subcommands of an ALTER TABLE of this table after Postgres has executed them.
    ///
    /// # Safety
    ///
    /// The list is a live list of `CollectedATSubcmd`.
    pub unsafe fn of(relation: pg_sys::Oid, commands: *mut pg_sys::List) -> Altered {
        let mut altered = Altered {
            relation,
            columns: Vec::new(),
            parents: Vec::new(),
            partitions: Vec::new(),
            switched: None,
            secured: false,
        };

        // SAFETY: by the caller.
        for command in unsafe { pointers::<pg_sys::CollectedATSubcmd>(commands) } {
            // SAFETY: by the caller; the parse tree of each is an AlterTableCmd.
            unsafe {
                let pg_sys::CollectedATSubcmd { address, parsetree } = *command;
                altered.add(address, &*parsetree.cast::<pg_sys::AlterTableCmd>());
            }
        }
        altered
    }

    /// Returns whether nothing changed that the extension reacts to.
    pub fn is_empty(&self) -> bool {
        let tables = self.parents.is_empty() && self.partitions.is_empty();
        tables && self.columns.is_empty() && self.switched.is_none() && !self.secured
    }

    /// Adds a subcommand that has changed the object at this address; the address is invalid if the table as
    /// a whole was changed.
    unsafe fn add(&mut self, address: pg_sys::ObjectAddress, command: &pg_sys::AlterTableCmd) {
        let object = address.objectId;
        // SAFETY: by the caller: null or a C string.
        let name = || unsafe { text(command.name) };
        match command.subtype {
            // The changes of the tables below follow from this one.
            AlterTableType::AT_AlterColumnType if object == self.relation => {
                // SAFETY: by the caller: of this command, a ColumnDef.
                let casts =
                    unsafe { casts::of(address.objectSubId, &*command.def.cast::<pg_sys::ColumnDef>()) };
                self.columns.extend(name().map(|name| Rewritten { name, casts }));
            }
            #[cfg(not(any(feature = "pg15", feature = "pg16")))]
            AlterTableType::AT_SetExpression if object == self.relation => {
                self.columns.extend(name().map(|name| Rewritten { name, casts: None }));
            }
            AlterTableType::AT_EnableRowSecurity => self.secured = true,
            AlterTableType::AT_AddInherit | AlterTableType::AT_DropInherit => self.parents.push(object),
            AlterTableType::AT_AttachPartition
            | AlterTableType::AT_DetachPartition
            | AlterTableType::AT_DetachPartitionFinalize => {
                self.partitions.push((object != pg_sys::InvalidOid).then_some(object));
            }
            AlterTableType::AT_EnableTrig => self.enabled(name(), 'O'),
            AlterTableType::AT_EnableAlwaysTrig => self.enabled(name(), 'A'),
            AlterTableType::AT_EnableReplicaTrig => self.enabled(name(), 'R'),
            AlterTableType::AT_EnableTrigAll
            | AlterTableType::AT_EnableTrigUser
            | AlterTableType::AT_DisableTrig
            | AlterTableType::AT_DisableTrigAll
            | AlterTableType::AT_DisableTrigUser => self.switched = Some(Switched::Otherwise),
            _ => {}
        }
    }

    fn enabled(&mut self, name: Option<String>, state: char) {
        self.switched = name.map(|name| Switched::Enabled(name, state));
    }
}
