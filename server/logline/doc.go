// Package logline finds lines in the output of attempts, which the store keeps as bytes.
//
//	walk ──► lines ──┬─► Index: where every 1,000th line begins, kept in memory, extended as output grows
//	(store, 1 MiB)   ├─► Read: a window of lines, from a line or a byte on
//	                 └─► Search: the lines that contain a text
//
// Lines are numbered from 1 and end with a line feed. A part of the output that has expired is one line, a gap, and
// ends the line before it. When more expires, the lines after it get lower numbers.
//
// Output has any size. What is held in memory is bounded: a batch, the beginning of a line, and an index of at most
// maxMarks places. So is the time of a request: one that reaches its limit says how far it came, and the next goes on
// from there.
package logline
