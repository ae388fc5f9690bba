package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/lib/pq"
	msqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// This file is the one place that knows what the databases call their errors.

// SQLSTATEs that are told apart.
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	undefinedTable       = "42P01"
	invalidEncoding      = "22021"
	invalidEscape        = "22P05"
	notSupported         = "0A000" // by a standby, or of a prepared statement whose columns were changed
	readOnlyTransaction  = "25006"
	noSuchStatement      = "26000"
	lockNotAvailable     = "55P03"
	queryCanceled        = "57014"
	diskFull             = "53100"
	ioError              = "58030"
	idleInTransaction    = "25P03"
	checkViolation       = "23514"
	uniqueViolation      = "23505"
)

// sqlState returns the SQLSTATE of an error of PostgreSQL, "" of another.
func sqlState(err error) string {
	var e *pq.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	return ""
}

// sqliteCode returns the extended result code of an error of SQLite, 0 of another.
func sqliteCode(err error) int {
	var e *msqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// retryable reports whether the same transaction may well succeed when it is run again.
func retryable(err error) bool {
	switch sqlState(err) {
	case serializationFailure, deadlockDetected:
		return true
	}
	if staleStatement(err) || takesNoWrites(err) {
		return true
	}
	return sqliteCode(err)&0xff == sqlite3.SQLITE_BUSY
}

// planCheck is the function of PostgreSQL that finds that the result of a prepared statement has changed. The
// message depends on the language of the server.
const planCheck = "RevalidateCachedQuery"

// staleStatement reports whether PostgreSQL no longer takes a statement that was prepared.
func staleStatement(err error) bool {
	var e *pq.Error
	return errors.As(err, &e) &&
		(e.Code == noSuchStatement || e.Code == notSupported && e.Routine == planCheck)
}

// leadsAstray reports whether the connection leads to a server that takes no writes (a standby after a
// failover), that is shutting down or starting, or that has vanished: another connection may reach one that does.
func leadsAstray(err error) bool {
	var network net.Error
	vanished := errors.As(err, &network) && network.Timeout() && !errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, syscall.ETIMEDOUT)
	return vanished || takesNoWrites(err) || strings.HasPrefix(sqlState(err), "57P")
}

// takesNoWrites reports whether a standby refused a statement: all of ours are supported by a primary.
func takesNoWrites(err error) bool {
	state := sqlState(err)
	return state == readOnlyTransaction || state == notSupported && !staleStatement(err)
}

// IsLockTimeout reports whether the transaction waited too long for a lock: others were using what it wanted.
func IsLockTimeout(err error) bool { return sqlState(err) == lockNotAvailable }

// IsCheckViolation reports whether rows are where a new partition would have to have them.
func IsCheckViolation(err error) bool { return sqlState(err) == checkViolation }

// IsUniqueViolation reports whether PostgreSQL refused a row because of a unique constraint.
func IsUniqueViolation(err error, constraint string) bool {
	var e *pq.Error
	return errors.As(err, &e) && e.Code == uniqueViolation && e.Constraint == constraint
}

// QuoteIdentifier quotes a table or column name for PostgreSQL.
func QuoteIdentifier(name string) string { return pq.QuoteIdentifier(name) }

// missingTable reports whether a SELECT that is otherwise good failed for want of its table.
func missingTable(err error) bool {
	return sqlState(err) == undefinedTable || sqliteCode(err) == sqlite3.SQLITE_ERROR
}

// classify marks the errors that mean that the database cannot be reached now, or does not take a text.
func classify(err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) || errors.Is(err, context.Canceled) ||
		errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if takesNoWrites(err) {
		return &Error{
			Code: Unavailable, Err: err,
			Message: "the database takes no writes: it is a standby; it may be failing over, try again",
		}
	}
	if noSpace(err) {
		return &Error{
			Code: StorageFull, Err: err,
			Message: "the disk of the database is full: nothing was changed; make room there and try again",
		}
	}
	if unreachable(err) {
		return &Error{Code: Unavailable, Message: "the database cannot be reached", Err: err}
	}
	switch sqlState(err) {
	case invalidEncoding, invalidEscape:
		return &Error{
			Code: InvalidText, Message: "a text contains a character that cannot be stored", Err: err,
		}
	}
	return err
}

// noSpace reports whether the database could not write because its disk is full.
func noSpace(err error) bool {
	return sqlState(err) == diskFull || sqliteCode(err)&0xff == sqlite3.SQLITE_FULL
}

func unreachable(err error) bool {
	for _, cause := range []error{
		driver.ErrBadConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, syscall.ENOENT, // ENOENT: a socket that is gone
	} {
		if errors.Is(err, cause) {
			return true
		}
	}
	var connecting *connectError
	if errors.As(err, &connecting) {
		return true
	}
	switch sqliteCode(err) & 0xff {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return true
	}
	var network net.Error
	state := sqlState(err) // classes 08: connection, 53: insufficient resources, 57P: shutting down
	return errors.As(err, &network) || state == idleInTransaction || state == ioError ||
		len(state) == 5 && (state[:2] == "08" || state[:2] == "53" || state[:3] == "57P")
}
