using Karya.Engine;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Node.Tests.Execution;
using Karya.Node.Tests.Joined;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests.Plans;

public sealed class StoreReadsTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly StoreFolder _folder = new();
    private readonly FaultyStore _store;
    private readonly FakeTimeProvider _clock = new();

    public StoreReadsTests()
    {
        _store = new FaultyStore(_folder.File);
        _store.Open(4);
    }

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _store.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_store_in_this_process_is_asked_on_the_callers_thread()
    {
        using var reads = NewReads(readers: 0);
        int caller = Environment.CurrentManagedThreadId;
        Assert.Equal(caller, await reads.AskAsync(_ => Environment.CurrentManagedThreadId, Stopping));
    }

    [Fact]
    public async Task Another_one_is_asked_on_threads_of_their_own_so_many_at_once()
    {
        using var reads = NewReads(readers: 2);
        using var gate = new CountdownEvent(2);
        Func<IStore, string?> meet = _ =>
        {
            gate.Signal();
            gate.Wait(Stopping);
            return Thread.CurrentThread.Name;
        };
        string?[] names = [
            .. await Expect.SoonAsync(
                Task.WhenAll(reads.AskAsync(meet, Stopping).AsTask(), reads.AskAsync(meet, Stopping).AsTask()),
                "both are asked at once")];
        Assert.Equal(["karya-reader-0", "karya-reader-1"], names.Order());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_store_that_fails_is_said_to_in_the_desks_words(int readers)
    {
        using var reads = NewReads(readers);
        _store.FailsReads = true;
        var failure = await Assert.ThrowsAsync<DeskException>(
            async () => await reads.AskAsync(store => store.FindPlan(new PlanId(1)), Stopping));
        Assert.Equal(DeskError.Unavailable, failure.Error);
        Assert.Contains("told to fail", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_questions_than_may_wait_are_refused_with_advice()
    {
        using var reads = NewReads(readers: 1);
        using var gate = new ManualResetEventSlim();
        var waiting = new List<Task<int>>();
        var refusal = await Assert.ThrowsAsync<DeskException>(async () =>
        {
            while (waiting.Count < 10_000)
            {
                var asked = reads.AskAsync(_ => Wait(gate), Stopping).AsTask();
                if (asked.IsFaulted)
                    await asked;
                waiting.Add(asked);
            }
        });
        Assert.Equal(DeskError.Overloaded, refusal.Error);
        Assert.NotNull(refusal.RetryAfter);
        Assert.InRange(waiting.Count, 1, 1000);
        gate.Set();
        await Expect.SoonAsync(Task.WhenAll(waiting), "those that were let in are answered");
    }

    [Fact]
    public async Task A_store_that_does_not_answer_keeps_nobody_waiting_for_ever()
    {
        using var gate = new ManualResetEventSlim();
        using var reads = NewReads(readers: 1);
        var asked = reads.AskAsync(_ => Wait(gate), Stopping).AsTask();
        _clock.Advance(Patience);
        var refusal = await Assert.ThrowsAsync<DeskException>(() => Expect.SoonAsync(asked, "the wait ends"));
        Assert.Equal(DeskError.Overloaded, refusal.Error);
        gate.Set();
    }

    [Fact]
    public async Task After_the_end_questions_are_refused()
    {
        var reads = NewReads(readers: 1);
        reads.Dispose();
        var refusal = await Assert.ThrowsAsync<DeskException>(
            async () => await reads.AskAsync(_ => 1, Stopping));
        Assert.Equal(DeskError.Unavailable, refusal.Error);
    }

    private static int Wait(ManualResetEventSlim gate)
    {
        gate.Wait(Stopping);
        return 1;
    }

    private StoreReads NewReads(int readers)
    {
        _store.ReaderCount = readers;
        return new StoreReads(_store, Patience, _clock);
    }
}
