package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// answers serves source with perform and returns what was answered, a line an act.
func answers(t *testing.T, source string, perform func(context.Context, request) (any, error)) []string {
	t.Helper()
	var said bytes.Buffer
	desk := &desk{perform: perform, sink: &said, open: map[int64]context.CancelFunc{}}
	if err := desk.serve(context.Background(), strings.NewReader(source)); err != nil {
		t.Fatal(err)
	}
	desk.busy.Wait()
	return strings.Split(strings.TrimSpace(said.String()), "\n")
}

func TestAPanicIsTheErrorOfItsActAlone(t *testing.T) {
	said := answers(t, `{"id":1,"act":"bad"}`+"\n"+`{"id":2,"act":"good"}`+"\n", func(_ context.Context, asked request) (any, error) {
		if asked.Act == "bad" {
			panic("no such thing")
		}
		return "done", nil
	})
	for _, expected := range []string{`{"id":1,"error":"the engine panicked: no such thing"}`, `{"id":2,"result":"done"}`} {
		if said[0] != expected && said[1] != expected {
			t.Errorf("%s is not among %q", expected, said)
		}
	}
}

func TestACancelledActEndsAndNoOther(t *testing.T) {
	source, ask := io.Pipe()
	var said bytes.Buffer
	free := make(chan struct{})
	desk := &desk{sink: &said, open: map[int64]context.CancelFunc{}, perform: func(ctx context.Context, asked request) (any, error) {
		if asked.ID == 1 {
			<-ctx.Done()
			close(free)
			return nil, ctx.Err()
		}
		<-free
		return nil, ctx.Err()
	}}
	go func() {
		_, _ = io.WriteString(ask, `{"id":1}{"id":2}{"act":"cancel","target":1}{"act":"cancel","target":7}`)
		_ = ask.Close()
	}()
	if err := desk.serve(context.Background(), source); err != nil {
		t.Fatal(err)
	}
	desk.busy.Wait()
	if found := said.String(); !strings.Contains(found, `{"id":1,"error":"context canceled"}`) || !strings.Contains(found, `{"id":2}`) {
		t.Errorf("answers are %q", found)
	}
}

func TestWhatIsNoRequestIsRefusedWithoutBeingQuoted(t *testing.T) {
	desk := &desk{open: map[int64]context.CancelFunc{}}
	err := desk.serve(context.Background(), strings.NewReader(`{"id":1,"values":hunter2}`))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error is %v", err)
	}
}

func TestAnErrorWithoutWordsIsStillAnError(t *testing.T) {
	said := answers(t, `{"id":1}`, func(context.Context, request) (any, error) { return nil, errors.New("") })
	if said[0] != `{"id":1,"error":"unknown"}` {
		t.Errorf("answers are %q", said)
	}
}
