// Command helm-engine does Helm's acts for one agent: a long-lived process that is told what to do on standard input, a
// JSON object a line, and answers on standard output, an answer a line, in the order in which the acts end.
//
// It acts and never decides: what to do, when and how often is the agent's to say. Its arguments only tell people whose
// it is, and it reads no environment of Helm's; values and credentials come over the pipe or as names of files. When
// standard input closes, or at SIGTERM, it cancels what is under way, lets Helm record that, and ends.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/rest"

	_ "k8s.io/client-go/plugin/pkg/client/auth" // the ways of signing in that kubeconfig files may ask for

	"helm.sh/helm/v4/pkg/kube"
)

// longestFarewell is how long acts may take to end once they are cancelled; then the process ends all the same.
const longestFarewell = 8 * time.Second

// request is one line of standard input. Of the act "cancel" only Target counts: the id of the act to cancel.
type request struct {
	ID              int64             `json:"id"`
	Act             string            `json:"act"`
	Target          int64             `json:"target"`
	Kubeconfig      string            `json:"kubeconfig"`
	AsUser          string            `json:"as_user"`
	Namespace       string            `json:"namespace"`
	Release         string            `json:"release"`
	Chart           string            `json:"chart"`
	Values          json.RawMessage   `json:"values"`
	Exact           []string          `json:"exact"`
	Labels          map[string]string `json:"labels"`
	Timeout         float64           `json:"timeout"`
	Wait            bool              `json:"wait"`
	CreateNamespace bool              `json:"create_namespace"`
	TakeOver        bool              `json:"take_over"`
	Force           bool              `json:"force"`
	SkipHooks       bool              `json:"skip_hooks"`
	Revision        int               `json:"revision"`
	Description     string            `json:"description"`
	HistoryMax      int               `json:"history_max"`
}

// answer is one line of standard output: the error in Helm's own words, or what the act returns, if anything.
type answer struct {
	ID     int64  `json:"id"`
	Error  string `json:"error,omitempty"`
	Result any    `json:"result,omitempty"`
}

// desk is where requests come in and answers go out. What perform does ends soon after its context.
type desk struct {
	perform func(ctx context.Context, asked request) (any, error)
	out     sync.Mutex // for sink
	sink    io.Writer
	mutex   sync.Mutex // for open
	open    map[int64]context.CancelFunc
	busy    sync.WaitGroup
}

// serve begins an act for every line of source and returns when there are no more.
func (d *desk) serve(ctx context.Context, source io.Reader) error {
	requests := json.NewDecoder(source)
	for {
		var asked request
		if err := requests.Decode(&asked); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return errors.New("what was asked is no request") // not what is wrong with it: that would quote values
		}
		d.take(ctx, asked)
	}
}

func (d *desk) take(ctx context.Context, asked request) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if asked.Act == "cancel" {
		if cancel, found := d.open[asked.Target]; found {
			cancel()
		}
		return
	}
	own, cancel := context.WithCancel(ctx)
	d.open[asked.ID] = cancel
	d.busy.Go(func() {
		found, err := d.guarded(own, asked)
		d.mutex.Lock()
		delete(d.open, asked.ID)
		d.mutex.Unlock()
		cancel()
		d.say(asked.ID, found, err)
	})
}

// guarded performs the act; a panic in it is this act's error and nobody else's end.
func (d *desk) guarded(ctx context.Context, asked request) (found any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			fmt.Fprintf(os.Stderr, "act %d (%s) panicked\n%s\n", asked.ID, asked.Act, debug.Stack())
			found, err = nil, fmt.Errorf("the engine panicked: %v", cause)
		}
	}()
	return d.perform(ctx, asked)
}

func (d *desk) say(id int64, found any, err error) {
	said := answer{ID: id, Result: found}
	if err != nil {
		said = answer{ID: id, Error: cmp.Or(err.Error(), "unknown")}
	}
	d.out.Lock()
	defer d.out.Unlock()
	_ = json.NewEncoder(d.sink).Encode(said)
}

func main() {
	kube.ManagedFieldsManager = "helm" // as Helm's own program calls itself: fields must not change hands between the two
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	slog.SetDefault(slog.New(slog.DiscardHandler))
	debug.SetGCPercent(200)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	desk := &desk{perform: (&clusters{known: map[string]*cluster{}}).perform, sink: os.Stdout, open: map[int64]context.CancelFunc{}}
	ended := make(chan error, 1)
	go func() { ended <- desk.serve(ctx, os.Stdin) }()
	var wrong error
	select {
	case wrong = <-ended:
	case <-ctx.Done():
	}
	stop() // which cancels every act too
	time.AfterFunc(longestFarewell, func() { os.Exit(1) })
	desk.busy.Wait()
	if wrong != nil {
		fmt.Fprintln(os.Stderr, wrong)
		os.Exit(1)
	}
}
