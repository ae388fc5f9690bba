package worker

import "unicode/utf8"

// clean makes bytes into text that can be stored, without changing their number: each byte that is no part of
// a character, and each NUL, becomes a question mark.
func clean(raw []byte) []byte {
	text := append([]byte(nil), raw...)
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == 0 || (r == utf8.RuneError && n == 1) {
			text[i] = '?'
			n = 1
		}
		i += n
	}
	return text
}

// complete is how much of the bytes does not end in the middle of a character.
func complete(b []byte) int {
	for back := 1; back <= min(utf8.UTFMax-1, len(b)); back++ {
		start := len(b) - back
		if utf8.RuneStart(b[start]) {
			if utf8.FullRune(b[start:]) {
				return len(b)
			}
			return start
		}
	}
	return len(b)
}

// runeEnd is the largest end up to most at which the text, which is valid, can be cut between two characters.
func runeEnd(text []byte, most int) int {
	if most >= len(text) {
		return len(text)
	}
	end := most
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return end
}
