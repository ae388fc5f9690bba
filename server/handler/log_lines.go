package handler

import (
	"context"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiserver"
	"github.com/berth-dev/berth/server/logline"
	"github.com/berth-dev/berth/server/problem"
	"github.com/berth-dev/berth/server/wire"
)

// What a request for lines gets if it does not say. The specification has the same.
const (
	defaultLines     = 1000
	defaultLinesSize = 1 << 20
	defaultLineSize  = 8 << 10
	defaultMatches   = 200
	defaultMatchSize = 512
)

// GetRunLogLines returns a window of lines.
func (h *Handler) GetRunLogLines(
	ctx context.Context, r apiserver.GetRunLogLinesRequestObject,
) (apiserver.GetRunLogLinesResponseObject, error) {
	p := r.Params
	if p.FromLine != nil && (p.FromByte != nil || *p.FromLine == 0) {
		return nil, problem.Newf(problem.InvalidParameter,
			"lines are numbered from 1, or from -1 at the end, and begin at from_line or at from_byte: set one of the two")
	}
	run, attempt, err := h.attemptOf(ctx, r.Run, p.Attempt)
	if err != nil {
		return nil, err
	}
	answer := api.LogLines{Attempt: attempt, Lines: []api.LogLine{}}
	if attempt == 0 {
		answer.TotalLines = new(int64)
		return apiserver.GetRunLogLines200JSONResponse(answer), nil
	}
	want := logline.Window{
		FromLine: wire.Or(p.FromLine, 0), FromByte: wire.Or(p.FromByte, 0),
		Lines: int(wire.Or(p.Lines, defaultLines)), Bytes: int(wire.Or(p.Bytes, defaultLinesSize)),
		LineSize: int(wire.Or(p.LineBytes, defaultLineSize)),
	}
	page, err := h.lines.Read(ctx, logline.Attempt{Run: run.ID, Number: attempt}, want)
	if err != nil {
		return nil, err
	}
	answer.SizeBytes, answer.ScannedBytes, answer.Lines = page.Size, page.Scanned, wire.LogLines(page.Lines)
	if page.Scanned == page.Size {
		answer.TotalLines = &page.Total
	}
	return apiserver.GetRunLogLines200JSONResponse(answer), nil
}

// SearchRunLogs returns the lines that contain a text.
func (h *Handler) SearchRunLogs(
	ctx context.Context, r apiserver.SearchRunLogsRequestObject,
) (apiserver.SearchRunLogsResponseObject, error) {
	p := r.Params
	run, attempt, err := h.attemptOf(ctx, r.Run, p.Attempt)
	if err != nil {
		return nil, err
	}
	answer := api.LogMatches{Attempt: attempt, Lines: []api.LogLine{}}
	if attempt == 0 {
		return apiserver.SearchRunLogs200JSONResponse(answer), nil
	}
	found, err := h.lines.Search(ctx, logline.Attempt{Run: run.ID, Number: attempt}, logline.Query{
		Text: p.Text, FromLine: wire.Or(p.FromLine, 1), Limit: int(wire.Or(p.Limit, defaultMatches)),
		LineSize: int(wire.Or(p.LineBytes, defaultMatchSize)),
	})
	if err != nil {
		return nil, err
	}
	answer.SizeBytes, answer.Count, answer.Lines = found.Size, found.Count, wire.LogLines(found.Lines)
	if found.Next > 0 {
		answer.NextLine = &found.Next
	}
	return apiserver.SearchRunLogs200JSONResponse(answer), nil
}
