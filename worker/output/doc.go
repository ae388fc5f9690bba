// Package output buffers what attempts write until the server has it, in bounded memory.
//
// Offsets count the original bytes. Bytes that cannot be stored as text are replaced one by one, so that
// offsets stay valid. A writer waits while the buffer is full; a server that is away thereby slows down
// reading, and never the outcome of an attempt.
package output
