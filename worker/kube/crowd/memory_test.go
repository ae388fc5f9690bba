package crowd

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/berth-dev/berth/internal/testenv"
	"github.com/berth-dev/berth/templating/manifest"
	"github.com/berth-dev/berth/worker/job"
	"github.com/berth-dev/berth/worker/kube"
	"github.com/berth-dev/berth/worker/kube/cluster"
)

const namespace = "jobs"

var installation = uuid.MustParse("1bccf5cc-b72b-4c22-94ba-3addc511f441")

func refOf(i int) job.Ref {
	return job.Ref{RunID: uuid.NewSHA1(installation, []byte(strconv.Itoa(i))), Attempt: 1}
}

func nameOf(ref job.Ref) string { return manifest.JobName("brisk-sail", ref.RunID, ref.Attempt) }

func labelsOf(ref job.Ref) map[string]string {
	return map[string]string{
		manifest.LabelInstallation: installation.String(), manifest.LabelRunID: ref.RunID.String(),
		manifest.LabelAttempt: strconv.Itoa(ref.Attempt),
	}
}

func refs(from, to int) []job.Ref {
	list := make([]job.Ref, 0, to-from)
	for i := from; i < to; i++ {
		list = append(list, refOf(i))
	}
	return list
}

// serveEnv has the test binary be the API server, so that what it keeps does not count: "running finished".
const serveEnv = "BERTH_CROWD"

func TestMain(m *testing.M) {
	sizes := os.Getenv(serveEnv)
	if sizes == "" {
		os.Exit(m.Run())
	}
	var running, finished int
	if _, err := fmt.Sscan(sizes, &running, &finished); err != nil {
		panic(err)
	}
	e, err := recorded()
	if err != nil {
		panic(err)
	}
	s := newServer(e, refs(0, running), refs(running, running+finished))
	fmt.Println(s.URL)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); { // each line asks for the number of streams
		fmt.Println(s.streams.Load())
	}
}

// recorded is a Job and a pod of the end-to-end tests.
func recorded() (example, error) {
	text, err := os.ReadFile(filepath.Join("..", "observe", "testdata", "recorded", "normal-attempt-1.yaml"))
	if err != nil {
		return example{}, err
	}
	var r struct {
		Job  *batchv1.Job  `json:"job"`
		Pods []*corev1.Pod `json:"pods"`
	}
	if err := yaml.Unmarshal(text, &r); err != nil {
		return example{}, err
	}
	if r.Job == nil || len(r.Pods) == 0 {
		return example{}, fmt.Errorf("nothing is recorded in %.100s", text)
	}
	r.Job.TypeMeta, r.Pods[0].TypeMeta = metav1.TypeMeta{Kind: "Job", APIVersion: "batch/v1"}, metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}
	return example{r.Job, r.Pods[0]}, nil
}

// peer is the API server as another process.
type peer struct {
	url string
	in  *json.Encoder
	out *bufio.Scanner
}

func startPeer(t testing.TB, running, finished int) *peer {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d", serveEnv, running, finished))
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = command.Wait() // the test's context may have killed it
	})
	p := &peer{in: json.NewEncoder(stdin), out: bufio.NewScanner(stdout)}
	p.url = p.line(t)
	return p
}

func (p *peer) line(t testing.TB) string {
	t.Helper()
	if !p.out.Scan() {
		t.Fatalf("the API server has ended: %v", p.out.Err())
	}
	return p.out.Text()
}

// streams is how many logs are followed.
func (p *peer) streams(t testing.TB) int {
	t.Helper()
	if err := p.in.Encode(""); err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(p.line(t))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (p *peer) config(t testing.TB) cluster.Config {
	t.Helper()
	file := clientcmdapi.NewConfig()
	file.Clusters["c"] = &clientcmdapi.Cluster{Server: p.url, InsecureSkipTLSVerify: true}
	file.Contexts["c"] = &clientcmdapi.Context{Cluster: "c", Namespace: namespace}
	file.CurrentContext = "c"
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		t.Fatal(err)
	}
	config, err := cluster.Connect(cluster.ConnectOptions{Kubeconfig: path})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// sink takes what a runtime says, and keeps nothing.
type sink struct{ observed, output atomic.Int64 }

func (s *sink) Observed(job.Ref, job.Observation) { s.observed.Add(1) }
func (s *sink) Output(context.Context, job.Ref, job.Output) error {
	s.output.Add(1)
	return nil
}
func (s *sink) LastLines(job.Ref, string) {}
func (s *sink) AccessChanged(job.Access)  {}
func (s *sink) Discovered(job.Object)     {}
func (s *sink) Gone(job.Object)           {}

// fill runs a runtime that follows so many Jobs beside so many finished ones, and returns once it has all.
func fill(t testing.TB, running, finished int) {
	t.Helper()
	p, e := startPeer(t, running, finished), must(recorded())(t)
	runtime, err := kube.New(p.config(t), kube.Options{})
	if err != nil {
		t.Fatal(err)
	}
	handler, ready, ended := &sink{}, make(chan struct{}), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- runtime.Run(ctx, installation, handler, ready) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the runtime ended with %v", err)
		}
	})
	<-ready
	for _, ref := range refs(0, running) {
		m := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: nameOf(ref), Namespace: namespace, Labels: labelsOf(ref)}}
		a := job.Attempt{Ref: ref, Manifest: m, Container: e.pod.Spec.Containers[0].Name, StreamOutput: true}
		if err := runtime.Adopt(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.After(2 * time.Minute)
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		streams := p.streams(t)
		if streams == running && handler.output.Load() == int64(running) && handler.observed.Load() >= int64(running) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d of %d logs are followed, %d lines of output came", streams, running, handler.output.Load())
		}
	}
}

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// live is what lives in the heap and on stacks, in bytes.
func live() float64 {
	var m runtime.MemStats
	for range 6 { // pools keep what they have for one collection, and each makes stacks smaller by half at most
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// perFinished bounds what a finished Job costs within its TTL.
const perFinished = 512

func TestMemoryOfActiveAndFinishedJobs(t *testing.T) {
	const active, finished = 2000, 8000
	before := live()
	fill(t, active, 0)
	ofActive := (live() - before) / active
	fill(t, 0, finished)
	ofFinished := (live() - before - active*ofActive) / finished
	t.Logf("%.0f bytes per active Job with its follower, %.0f per finished Job", ofActive, ofFinished)
	if ofActive > perActive || ofFinished > perFinished {
		t.Errorf("want at most %d and %d", perActive, perFinished)
	}
}

// memoryLimit is what a worker keeps to in a container of the chart: of 512 MiB the share of flagset.WorkerMemoryShare.
const memoryLimit = 512 << 20 / 100 * 57

// BenchmarkCrowd is a worker's runtime with 10,000 active Jobs whose output it follows, and 36,000 finished ones within
// their TTL, with the garbage collector as in a container of the chart.
func BenchmarkCrowd(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(memoryLimit))
	for b.Loop() {
		fill(b, 10_000, 36_000)
		b.ReportMetric(testenv.Memory(b, os.Getpid(), "VmHWM"), "peak-B/op") // while it lists all
		b.ReportMetric(live(), "live-B/op")
		b.ReportMetric(settled(b), "resident-B/op")
	}
}

// settled is what is resident once the Go runtime has given back, in the background, what the start took.
func settled(b *testing.B) float64 {
	b.Helper()
	const quiet = 10
	last, same := testenv.Memory(b, os.Getpid(), "VmRSS"), 0
	for tick := time.NewTicker(time.Second); same < quiet; <-tick.C {
		same++
		if now := testenv.Memory(b, os.Getpid(), "VmRSS"); now < last-(1<<20) {
			last, same = now, 0
		}
	}
	return last
}
