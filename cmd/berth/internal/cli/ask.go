package cli

import (
	"bufio"
	"context"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Interactive is true where a person reads what is printed and can answer.
func (a *App) Interactive() bool {
	in, ok := a.In.(*os.File)
	return ok && term.IsTerminal(int(in.Fd())) && IsTerminal(a.Out) && IsTerminal(a.Err)
}

// Confirm asks a question that is answered with yes or no; usually is the answer of who only presses Enter.
// The end of the input means no.
func (a *App) Confirm(ctx context.Context, question string, usually bool) (bool, error) {
	choice := "[y/N]"
	if usually {
		choice = "[Y/n]"
	}
	for {
		if _, err := io.WriteString(a.Err, question+" "+choice+" "); err != nil {
			return false, err
		}
		answer, err := a.readLine(ctx)
		if err != nil {
			a.Notef("")
			return false, ctx.Err()
		}
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case "":
			return usually, nil
		case "y", "yes":
			return true, nil
		case "n", "no":
			return false, nil
		}
	}
}

// readLine reads a line of the input, or returns when the context ends. A blocked read cannot be
// interrupted; it ends with the process.
func (a *App) readLine(ctx context.Context) (string, error) {
	type line struct {
		text string
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(a.In).ReadString('\n')
		read <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case l := <-read:
		return l.text, l.err
	}
}
