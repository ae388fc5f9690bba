package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Delay is how long after its slot a run of the schedule with this id starts: less than the Spec's Jitter,
// whole milliseconds, and always the same for the same slot, so every server says the same.
func (s *Schedule) Delay(id string, slot time.Time) time.Duration {
	within := uint64(s.jitter / time.Millisecond)
	if within == 0 {
		return 0
	}
	key := binary.BigEndian.AppendUint64([]byte(id), uint64(slot.Unix()))
	sum := sha256.Sum256(key)
	return time.Duration(binary.BigEndian.Uint64(sum[:8])%within) * time.Millisecond
}
