package run

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// lineRange is which lines to print: from the first on, or the last ones.
type lineRange struct {
	from int64 // negative: counted from the end
	to   int64 // 0: to the end
}

// String and Set make it a flag.
func (r *lineRange) String() string { return "" }
func (r *lineRange) Type() string   { return "FROM-TO" }

func (r *lineRange) Set(text string) error {
	before, after, isRange := strings.Cut(text, "-")
	from, errFrom := strconv.ParseInt(before, 10, 64)
	to, errTo := strconv.ParseInt(after, 10, 64)
	switch {
	case !isRange && errFrom == nil && from > 0:
		*r = lineRange{from, from}
	case isRange && before == "" && errTo == nil && to > 0:
		*r = lineRange{from: -to}
	case isRange && errFrom == nil && from > 0 && after == "":
		*r = lineRange{from: from}
	case isRange && errFrom == nil && from > 0 && errTo == nil && to >= from:
		*r = lineRange{from, to}
	default:
		return fmt.Errorf("%q is no range of lines: write 120-130, 120 for one line, 120- to the end, or -50 for the last 50", text)
	}
	return nil
}

// logReader reads the output of an attempt by lines.
type logReader struct {
	client  *cli.Client
	run     uuid.UUID
	attempt *int32 // nil: the newest, until the first answer, since another may begin meanwhile
}

// bytesOf sets which bytes hold the lines of a range.
func (l *logReader) bytesOf(ctx context.Context, r lineRange, params *api.GetRunLogsParams) error {
	from, size, err := l.offset(ctx, r.from)
	if err != nil {
		return err
	}
	end := size
	if r.to > 0 {
		if end, _, err = l.offset(ctx, r.to+1); err != nil {
			return err
		}
	}
	params.Attempt, params.FromByte = l.attempt, &from
	if bytes := end - from; bytes > 0 {
		params.Bytes = &bytes
	}
	return nil
}

// offset returns where a line begins, and the size of the output; of a line after the last one, it is the size.
func (l *logReader) offset(ctx context.Context, line int64) (offset, size int64, err error) {
	one := int32(1)
	params := &api.GetRunLogLinesParams{Attempt: l.attempt, FromLine: &line, Lines: &one, LineBytes: &one}
	for scanned := int64(-1); ; {
		answer, err := cli.Value(l.client.GetRunLogLinesWithResponse(ctx, l.run, params))
		if err != nil {
			return 0, 0, err
		}
		if answer.Attempt > 0 {
			l.attempt, params.Attempt = &answer.Attempt, &answer.Attempt
		}
		switch {
		case len(answer.Lines) > 0:
			return answer.Lines[0].Offset, answer.SizeBytes, nil
		case answer.TotalLines != nil:
			return answer.SizeBytes, answer.SizeBytes, nil
		case answer.ScannedBytes <= scanned:
			return 0, 0, fmt.Errorf("the server has not found line %d in %d bytes of output in time: try again", line, answer.SizeBytes)
		default:
			scanned = answer.ScannedBytes
		}
	}
}

// What a request for a search returns at most: lines, and bytes of each.
const (
	maxMatches   = 2000
	maxMatchSize = 4096
)

// search calls found with the lines that contain a text, until all were found.
func (l *logReader) search(
	ctx context.Context, text string, found func(api.LogLine) error,
) (attempt int32, count int64, err error) {
	limit, size := int32(maxMatches), int32(maxMatchSize)
	params := &api.SearchRunLogsParams{Attempt: l.attempt, Text: text, Limit: &limit, LineBytes: &size}
	for {
		answer, err := cli.Value(l.client.SearchRunLogsWithResponse(ctx, l.run, params))
		if err != nil {
			return 0, 0, err
		}
		for _, line := range answer.Lines {
			if err := found(line); err != nil {
				return 0, 0, err
			}
		}
		attempt, count = answer.Attempt, count+int64(len(answer.Lines))
		if attempt > 0 {
			params.Attempt = &attempt // another one may begin meanwhile
		}
		switch {
		case int(answer.Count) > len(answer.Lines):
			next := answer.Lines[len(answer.Lines)-1].Line + 1
			params.FromLine = &next
		case answer.NextLine != nil:
			params.FromLine = answer.NextLine
		default:
			return attempt, count, nil
		}
	}
}

// printMatches prints the lines that contain a text, each with its number, as grep -n does.
func printMatches(ctx context.Context, app *cli.App, l *logReader, text string, format cli.Format) error {
	if format != cli.Table {
		matches := []api.LogLine{}
		attempt, _, err := l.search(ctx, text, func(line api.LogLine) error {
			matches = append(matches, line)
			return nil
		})
		if err != nil {
			return err
		}
		return app.PrintDocument(format, Matches{Run: l.run, Attempt: attempt, Text: text, Lines: matches})
	}
	attempt, count, err := l.search(ctx, text, func(line api.LogLine) error {
		_, err := fmt.Fprintf(app.RawWriter(), "%d:%s\n", line.Line, line.Text)
		return err
	})
	if err == nil && count == 0 {
		app.Notef("no line of attempt %d contains %q", attempt, text)
	}
	return err
}

// Matches are the lines of an attempt's output that contain a text, as a document.
type Matches struct {
	Run     uuid.UUID     `json:"run"`
	Attempt int32         `json:"attempt"`
	Text    string        `json:"text"`
	Lines   []api.LogLine `json:"lines"`
}
