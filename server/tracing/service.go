package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/berth-dev/berth/server/store"
)

const (
	// endsAtOnce bounds what a server has in memory: an end has at most ten spans.
	endsAtOnce = 200
	// exportMax bounds an export, and lease how long the ends of one are kept from other servers. It is for the reads
	// before and the deletion afterwards, too.
	exportMax = 30 * time.Second
	lease     = 2 * time.Minute
	// waitMax and pendingMax bound what waits while the receiver is away.
	waitMax    = 24 * time.Hour
	pendingMax = 100_000
	dropEvery  = time.Minute
	// retryMin doubles with each failure up to retryMax.
	retryMin, retryMax = 5 * time.Second, 5 * time.Minute
	// stopTime is what an export has left when the server stops.
	stopTime = 5 * time.Second
)

// Counter counts what was sent; see metric.Traces.
type Counter interface {
	Ends(result string, n int)
	Rejected(spans int64)
}

// Results of ends: they were exported, are tried again, or are given up.
const (
	Exported = "exported"
	Retried  = "retried"
	Dropped  = "dropped"
)

// Options of a Service.
type Options struct {
	Store     *store.Store
	Version   string // of the server
	PublicURL string // where people see runs; empty: not known
	Logger    *slog.Logger
	Counter   Counter
}

// Service sends spans.
type Service struct {
	Options
	config    config
	exporters []sdktrace.SpanExporter
	maker     *maker
	failures  int // of the receiver, one after another
	droppedAt time.Time
}

// New reads the environment, and makes the store keep the ends of attempts and runs if tracing is on.
func New(ctx context.Context, o Options) (*Service, error) {
	s := &Service{Options: o}
	var err error
	if s.config, err = readConfig(os.Getenv); err != nil {
		return nil, fmt.Errorf("configure OpenTelemetry: %w", err)
	}
	if !s.On() {
		return s, nil
	}
	// What the SDK cannot return it says here; its log may have headers, which are secrets. There is one of both for the process.
	otel.SetLogger(logr.Discard())
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { o.Logger.Warn("OpenTelemetry reports an error", "error", err) }))
	if s.exporters, err = newExporters(ctx, s.config); err != nil {
		return nil, fmt.Errorf("configure OpenTelemetry: %w", err)
	}
	if s.maker, err = newMaker(ctx, o.Version); err != nil {
		return nil, err
	}
	o.Store.WatchTraces(s.config.sampled)
	o.Logger.Info("sending traces", "exporters", s.config.exporters, "protocol", s.config.protocol)
	return s, nil
}

// On reports whether spans are sent.
func (s *Service) On() bool { return len(s.config.exporters) > 0 }

// Links reports whether the spans of callers become links.
func (s *Service) Links() bool { return s.On() && s.config.links }

// Run sends spans until ctx ends. Every server runs it.
func (s *Service) Run(ctx context.Context) error {
	defer s.close()
	tick := time.NewTicker(s.config.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := s.send(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && s.failures == 0:
			s.Logger.Warn("spans were not sent; they wait in the database and are tried again", "error", err)
		case err == nil && s.failures > 0:
			s.Logger.Info("spans are sent again")
		}
		if s.failures++; err == nil {
			s.failures = 0
		}
	}
}

// close closes the exporters, which hold nothing: a batch was sent or is still in the database.
func (s *Service) close() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	for _, e := range s.exporters {
		if err := e.Shutdown(ctx); err != nil {
			s.Logger.Warn("an exporter of spans was not closed", "error", err)
		}
	}
}

// send sends what waits, a batch after the other.
func (s *Service) send(ctx context.Context) error {
	if err := s.drop(ctx); err != nil {
		return err
	}
	for {
		ends, taken, err := s.Store.AcquireTracedEnds(ctx, endsAtOnce, lease)
		if err != nil || len(taken) == 0 {
			return err
		}
		if err := s.sendBatch(ctx, ends, taken); err != nil {
			return err
		}
		if len(taken) < endsAtOnce {
			return nil
		}
	}
}

// sendBatch sends the spans of some ends and forgets the ends, or gives them back.
func (s *Service) sendBatch(ctx context.Context, ends []store.TracedEnd, taken []uuid.UUID) error {
	var spans []span
	for _, e := range ends {
		spans = append(spans, spansOf(e, s.PublicURL)...)
	}
	// When the server stops, what is under way ends in a moment, and the database hears of it.
	finish, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(stopTime, cancel) })
	defer stop()

	if err := s.export(finish, s.maker.make(spans)); err != nil {
		s.Counter.Ends(Retried, len(taken))
		delay := min(retryMin<<min(s.failures, 10), retryMax)
		return errors.Join(err, s.Store.ReleaseTracedEnds(context.WithoutCancel(ctx), taken, delay))
	}
	s.Counter.Ends(Exported, len(ends))
	s.Counter.Ends(Dropped, len(taken)-len(ends)) // their runs were deleted meanwhile
	return s.Store.DeleteTracedEnds(context.WithoutCancel(ctx), taken)
}

// export sends spans to all exporters, in parts as large as was configured.
func (s *Service) export(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	for part := range slices.Chunk(spans, s.config.batch) {
		for _, e := range s.exporters {
			if err := s.exportPart(ctx, e, part); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) exportPart(ctx context.Context, e sdktrace.SpanExporter, part []sdktrace.ReadOnlySpan) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.timeout)
	defer cancel()
	err := e.ExportSpans(ctx, part)
	n, partial := rejected(err)
	if !partial {
		return err
	}
	if n > 0 { // it will not take them another time either; a message alone is a warning
		s.Counter.Rejected(n)
	}
	s.Logger.Warn("the receiver of spans complains", "rejected", n, "error", err)
	return nil
}

// drop gives up what has waited for too long, and the oldest of too many.
func (s *Service) drop(ctx context.Context) error {
	if time.Since(s.droppedAt) < dropEvery {
		return nil
	}
	dropped, err := s.Store.DropTracedEnds(ctx, waitMax, pendingMax)
	if err != nil {
		return err
	}
	s.droppedAt = time.Now()
	if dropped > 0 {
		s.Counter.Ends(Dropped, int(dropped))
		s.Logger.Warn("spans were dropped: the receiver has been away for too long", "ends", dropped)
	}
	return nil
}
