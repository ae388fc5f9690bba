// Package archive keeps the output of ended attempts in object storage: one compressed object an attempt, in a
// bucket that speaks the S3 protocol or in a directory.
//
//	archiver ──Create──► Writer ──frames──► Bucket.Put        store ──ReadOutput──► table ──► one frame
//	                                        Bucket.Open ◄── verified by reading it back
//
// # Format
//
// An object is in the seekable format of Zstandard, so that `zstd -dc OBJECT` prints the output:
//
//	frame …      one Zstandard frame each, with a checksum, for whole rows of output: 512 KiB of it at most
//	times        after a frame, a skippable frame (0x184D2A50, length of what follows) with the times of its rows:
//	             for each row that was written later than the one before, the offset as a uvarint, and the
//	             microseconds since 1970 as a varint, both as differences to the last
//	seek table   a skippable frame, all numbers are little-endian uint32:
//	             0x184D2A5E, length of what follows,
//	             for each frame its compressed and its decompressed size,
//	             number of frames, a byte that is 0, 0x8F92EAB1
//
// A frame with the compressed size 0 is a hole: so many bytes of the output had expired before it was archived.
// The sizes give the offset of each frame in the object and in the output, so that output from any offset on is
// read with one request for the table, which is then cached, and one for a frame.
//
// An object never changes. Each upload has its own key, so that what was cached stays right, and a late or
// repeated upload cannot replace another one.
package archive
