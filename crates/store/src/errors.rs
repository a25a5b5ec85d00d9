//! What redb's errors mean to whoever uses a store: damage, another program, or a disk that refuses.

use std::io;

use redb::{CommitError, DatabaseError, StorageError, TableError, TransactionError};

use crate::StoreError;

impl From<StorageError> for StoreError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Corrupted(what) => Self::Damaged(what),
            StorageError::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                Self::Damaged(error.to_string())
            }
            StorageError::Io(error) => error.into(),
            StorageError::ValueTooLarge(length) => io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a value of {length} bytes is too large"),
            )
            .into(),
            StorageError::PreviousIo => io::Error::other("an earlier read or write failed").into(),
            other => io::Error::other(other.to_string()).into(),
        }
    }
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Self::InUse,
            DatabaseError::UpgradeRequired(_) => {
                Self::Damaged("its redb format is older than any of ours".to_owned())
            }
            DatabaseError::Storage(error) => error.into(),
            other => io::Error::other(other.to_string()).into(),
        }
    }
}

impl From<TransactionError> for StoreError {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Storage(error) => error.into(),
            other => io::Error::other(other.to_string()).into(),
        }
    }
}

impl From<TableError> for StoreError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Storage(error) => error.into(),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<CommitError> for StoreError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Storage(error) => error.into(),
            other => io::Error::other(other.to_string()).into(),
        }
    }
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => error.into(),
            other => io::Error::other(other.to_string()).into(),
        }
    }
}
