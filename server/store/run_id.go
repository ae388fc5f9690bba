package store

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// An ID of version 7 begins with its time, in milliseconds: what is older has a lower ID. Lists, retention and
// partitions depend on it. Servers make IDs by their own clocks. Where that of a server is far from the database's, it is
// wrong, and the IDs of runs are shifted to the database's time.

// idTimeBits are the bits of the time in the first eight bytes of an ID.
const idTimeBits = 48

// firstID returns the lowest UUID of version 7 for a time. UUIDs generated before are lower.
func firstID(t time.Time) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(max(t.UnixMilli(), 0))<<16)
	return id
}

// idTime returns the time in an ID.
func idTime(id uuid.UUID) time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> (64 - idTimeBits))).UTC()
}

// shiftID moves the time in an ID. IDs that are shifted by the same time keep their order.
func shiftID(id uuid.UUID, by time.Duration) uuid.UUID {
	first := firstID(idTime(id).Add(by))
	copy(id[:idTimeBits/8], first[:])
	return id
}
