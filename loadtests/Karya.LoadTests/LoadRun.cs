using HdrHistogram;

namespace Karya.LoadTests;

/// <summary>
/// One run of a scenario against a node. A pacing thread releases plans on schedule; a fixed number of senders takes
/// them in order. When all senders are busy plans wait, and since latency counts from the scheduled instant the wait
/// shows.
/// </summary>
internal sealed class LoadRun : IDisposable
{
    private readonly Scenario _scenario;
    private readonly SubmitSchedule _schedule;
    private readonly Ledger _ledger;
    private readonly NodeApi _api;
    private readonly PlanTarget _target;
    private readonly TimeProvider _clock;
    private readonly SemaphoreSlim _released = new(0);
    private readonly LongConcurrentHistogram _latency = Percentiles.NewHistogram();
    private readonly LongConcurrentHistogram _sendDelay = Percentiles.NewHistogram();
    private readonly int[] _outcomes = new int[Enum.GetValues<SubmitOutcome>().Length];
    private long _startedAt;
    private int _nextIndex;

    private LoadRun(Scenario scenario, Ledger ledger, NodeApi api, PlanTarget target, TimeProvider clock)
    {
        _scenario = scenario;
        _schedule = new SubmitSchedule(scenario);
        _ledger = ledger;
        _api = api;
        _target = target;
        _clock = clock;
    }

    /// <exception cref="HttpRequestException">The node cannot be reached, or made no user.</exception>
    public static async Task<LoadReport> RunAsync(Scenario scenario, Uri node)
    {
        var clock = TimeProvider.System;
        var ledger = new Ledger(scenario.PlanCount);
        using var api = new NodeApi(node, scenario.Connections);
        await using var target = await PlanTarget.StartAsync(ledger, clock);

        string userId = await api.CreateUserAsync("load-" + scenario.Name);
        using var run = new LoadRun(scenario, ledger, api, target, clock);
        await run.SubmitAllAsync(userId);
        await run.WaitForArrivalsAsync();
        return run.Report();
    }

    public void Dispose() => _released.Dispose();

    private async Task SubmitAllAsync(string userId)
    {
        _startedAt = _clock.GetTimestamp();
        var senders = Enumerable.Range(0, _scenario.Connections).Select(_ => SendAsync(userId)).ToList();
        var pacer = new Thread(ReleaseOnSchedule) { Name = "pacer", IsBackground = true };
        pacer.Start();
        await Task.WhenAll(senders);
        pacer.Join();   // It has nothing left to do but to return.
    }

    /// <summary>
    /// Wakes about every millisecond rather than spinning, since the node needs the cores. How late that makes a send
    /// is reported as send delay.
    /// </summary>
    private void ReleaseOnSchedule()
    {
        int releasedCount = 0;
        while (releasedCount < _scenario.PlanCount)
        {
            int reached = _schedule.CountReached(releasedCount, _scenario.PlanCount, _clock.GetElapsedTime(_startedAt));
            if (reached > 0)
                _released.Release(reached);

            releasedCount += reached;
            Thread.Sleep(1);
        }

        _released.Release(_scenario.Connections);   // One more for each sender: there is nothing left to take.
    }

    private async Task SendAsync(string userId)
    {
        while (true)
        {
            await _released.WaitAsync();
            int planIndex = Interlocked.Increment(ref _nextIndex) - 1;
            if (planIndex >= _scenario.PlanCount)
                return;

            var scheduledAt = _schedule.SendAt(planIndex);
            Percentiles.Record(_sendDelay, MicrosSince(scheduledAt));
            var (outcome, dueMs) =
                await _api.SubmitAsync(userId, _target.UrlOf(planIndex), _schedule.DueAfter(planIndex));

            Interlocked.Increment(ref _outcomes[(int)outcome]);
            if (outcome != SubmitOutcome.Acknowledged)
                continue;

            Percentiles.Record(_latency, MicrosSince(scheduledAt));
            _ledger.Acknowledge(planIndex, dueMs);
        }
    }

    /// <summary>
    /// Ends when nothing is missing any more, but not before the last plan has been due for a second, so that
    /// duplicates have a chance to show; or when the time to settle is over.
    /// </summary>
    private async Task WaitForArrivalsAsync()
    {
        long waitingSince = _clock.GetTimestamp();
        var lastDue = TimeSpan.FromSeconds(_scenario.Plans.Max(share => share.DueAfterSeconds));
        var shortest = lastDue + TimeSpan.FromSeconds(1);
        var longest = lastDue + TimeSpan.FromSeconds(_scenario.SettleSeconds);

        await Task.Delay(shortest, _clock);
        while (_ledger.Summarize().Lost > 0 && _clock.GetElapsedTime(waitingSince) < longest)
            await Task.Delay(TimeSpan.FromMilliseconds(250), _clock);
    }

    private LoadReport Report() => new(
        _scenario,
        _outcomes[(int)SubmitOutcome.Refused],
        _outcomes[(int)SubmitOutcome.Unknown],
        Percentiles.Of(_sendDelay),
        Percentiles.Of(_latency),
        _ledger.Summarize());

    private long MicrosSince(TimeSpan scheduledAt) =>
        (_clock.GetElapsedTime(_startedAt) - scheduledAt).Ticks / TimeSpan.TicksPerMicrosecond;
}
