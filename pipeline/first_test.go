package pipeline_test
import ("testing";"context";"fmt"
 . "github.com/paceline-go/paceline/pipeline")
func TestFirst(t *testing.T){
	p, err := New(func(ctx context.Context, in int)(int,error){return in+1,nil}, Config{MaxConcurrency:16})
	if err!=nil {t.Fatal(err)}
	jobs := make(chan int, 64)
	go func(){ for i:=range 100000 {jobs<-i}; close(jobs)}()
	s:=0
	n:=0
	for r := range p.Run(context.Background(), jobs) { s+=r.Out; n++ }
	fmt.Println(s,n, p.Throttle().Snapshot())
}
func bench(b *testing.B, cfg Config, ord bool){
	b.ReportAllocs()
	p, err := New(func(ctx context.Context, in int)(int,error){return in+1,nil}, cfg)
	if err!=nil {b.Fatal(err)}
	if ord {p.Ordered()}
	jobs := make(chan int, 64)
	go func(){ for i:=range b.N {jobs<-i}; close(jobs)}()
	for r := range p.Run(context.Background(), jobs) { _=r }
}
func BenchmarkOff(b *testing.B){ bench(b, Config{MaxConcurrency:16, Policy: Static{}}, false)}
func BenchmarkOn(b *testing.B){ bench(b, Config{MaxConcurrency:16, Retry:&Retry{}, Breaker:&Breaker{}, Budgets: []Budget{{Tokens:1<<60,Window:60e9}}}, false)}
func BenchmarkOnOrdered(b *testing.B){ bench(b, Config{MaxConcurrency:16, Retry:&Retry{}, Breaker:&Breaker{}, Budgets: []Budget{{Tokens:1<<60,Window:60e9}}}, true)}
