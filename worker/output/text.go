package output

import "unicode/utf8"

// toText makes bytes into text that can be stored, without changing their number: each byte that is not part
// of a character, and each NUL, becomes a question mark.
func toText(raw []byte) []byte {
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

// wholeCharacters is the length of the bytes without an incomplete character at their end.
func wholeCharacters(b []byte) int {
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

// characterEnd is the largest end up to limit at which the text, which must be valid, can be cut between two
// characters.
func characterEnd(text []byte, limit int) int {
	if limit >= len(text) {
		return len(text)
	}
	end := limit
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return end
}
