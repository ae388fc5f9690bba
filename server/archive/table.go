package archive

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"
)

const (
	skippableMagic = 0x184D2A5E
	seekableMagic  = 0x8F92EAB1
	headerSize     = 8 // of a skippable frame
	entrySize      = 8
	footerSize     = 9

	// frameSize is the most output in a frame, in bytes; what is read may have twice as much.
	frameSize      = 512 << 10
	maxFrameSize   = 2 * frameSize
	maxFrameLength = maxFrameSize + 64<<10 // compressed: noise grows a little
	// maxFrames bounds the table that is read: a tebibyte of output in whole frames, each with its times.
	maxFrames = 4 << 20
)

// frame is a part of an object.
type frame struct {
	at, size    int64 // in the output; size 0: the times of the frame before
	pos, length int64 // in the object; length 0: a hole
}

func (f frame) end() int64  { return f.at + f.size }
func (f frame) text() bool  { return f.length > 0 && f.size > 0 }
func (f frame) times() bool { return f.length > 0 && f.size == 0 }

// table lists the frames of an object in order.
type table struct {
	frames []frame
	size   int64 // of the output
	length int64 // of the frames in the object
}

func (t *table) add(size, length int64) {
	t.frames = append(t.frames, frame{at: t.size, size: size, pos: t.length, length: length})
	t.size += size
	t.length += length
}

// addHole adds a part of the output that the object does not have.
func (t *table) addHole(size int64) {
	for size > 0 {
		n := min(size, math.MaxUint32)
		t.add(n, 0)
		size -= n
	}
}

// find returns the index of the frame with an offset of the output, or of the next one after a hole, -1 for none.
func (t *table) find(offset int64) int {
	i := sort.Search(len(t.frames), func(i int) bool { return t.frames[i].end() > offset })
	for i < len(t.frames) && !t.frames[i].text() {
		i++
	}
	if i == len(t.frames) {
		return -1
	}
	return i
}

func tableSize(frames int) int64 { return headerSize + int64(frames)*entrySize + footerSize }

// encode writes the seek table.
func (t *table) encode() []byte {
	b := make([]byte, 0, tableSize(len(t.frames)))
	b = binary.LittleEndian.AppendUint32(b, skippableMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(tableSize(len(t.frames))-headerSize))
	for _, f := range t.frames {
		b = binary.LittleEndian.AppendUint32(b, uint32(f.length))
		b = binary.LittleEndian.AppendUint32(b, uint32(f.size))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(t.frames)))
	b = append(b, 0)
	return binary.LittleEndian.AppendUint32(b, seekableMagic)
}

// parseFooter returns the size of the table at the end of an object of objectSize bytes.
func parseFooter(tail []byte, objectSize int64) (int64, error) {
	if len(tail) < footerSize {
		return 0, damaged("it has %d bytes, which is too short", objectSize)
	}
	footer := tail[len(tail)-footerSize:]
	if magic := binary.LittleEndian.Uint32(footer[5:]); magic != seekableMagic {
		return 0, damaged("its last bytes are not those of a seek table: it was cut off or overwritten")
	}
	frames := binary.LittleEndian.Uint32(footer)
	if footer[4] != 0 || frames > maxFrames || tableSize(int(frames)) > objectSize {
		return 0, damaged("its seek table is not valid")
	}
	return tableSize(int(frames)), nil
}

// parseTable reads a whole seek table, as long as parseFooter has said.
func parseTable(b []byte, objectSize int64) (*table, error) {
	if binary.LittleEndian.Uint32(b) != skippableMagic ||
		int64(binary.LittleEndian.Uint32(b[4:])) != int64(len(b)-headerSize) {
		return nil, damaged("its seek table has no valid header")
	}
	entries := b[headerSize : len(b)-footerSize]
	t := &table{frames: make([]frame, 0, len(entries)/entrySize)}
	for ; len(entries) > 0; entries = entries[entrySize:] {
		length := int64(binary.LittleEndian.Uint32(entries))
		size := int64(binary.LittleEndian.Uint32(entries[4:]))
		if length > maxFrameLength || length > 0 && size > maxFrameSize {
			return nil, damaged("its seek table has a frame of %d bytes, %d compressed", size, length)
		}
		t.add(size, length)
	}
	if t.length+int64(len(b)) != objectSize {
		return nil, damaged("its frames and seek table have %d bytes, but the object has %d", t.length+int64(len(b)),
			objectSize)
	}
	return t, nil
}

// DamagedError says that an object is not what was stored.
type DamagedError struct{ reason string }

func (e *DamagedError) Error() string { return "the object is damaged: " + e.reason }

func damaged(format string, args ...any) error { return &DamagedError{fmt.Sprintf(format, args...)} }
