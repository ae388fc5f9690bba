package debian

import "debug/elf"

// static tells whether path is a program that needs no interpreter, so that it can run in an image by itself.
func static(path string) func() bool {
	return func() bool {
		file, err := elf.Open(path)
		if err != nil {
			return false
		}
		defer file.Close()
		for _, program := range file.Progs {
			if program.Type == elf.PT_INTERP {
				return false
			}
		}
		return true
	}
}
