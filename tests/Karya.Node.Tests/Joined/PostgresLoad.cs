using System.Collections.Concurrent;
using System.Diagnostics;
using Karya.Engine;
using Karya.Node.Plans;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>
/// Clients that submit plans due soon, without pause whatever they are told, and the judge of what came of it: what
/// they were told and what the target saw.
/// </summary>
internal sealed class PostgresLoad : IAsyncDisposable
{
    private const int Clients = 3;
    private const int PeriodMsMax = 700;

    /// <summary>What a request may take: the node's own limit, and slack for a machine that is busy.</summary>
    private static readonly TimeSpan AnswerMax = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(15);

    private readonly PostgresRig _rig;
    private readonly Node _node;
    private readonly ConcurrentDictionary<PlanId, long> _acknowledged = new();
    private readonly ConcurrentBag<DeskException> _refusals = [];
    private readonly CancellationTokenSource _stop = CancellationTokenSource.CreateLinkedTokenSource(NodeRig.Stopping);
    private readonly Task _clients;
    private long _slowestMs;
    private long _backlogBytesMost;

    private PostgresLoad(PostgresRig rig, Node node, int seed)
    {
        _rig = rig;
        _node = node;
        _clients = Task.WhenAll(
            [WatchAsync(), .. Enumerable.Range(0, Clients).Select(client => SubmitAsync(new Random(seed + client)))]);
    }

    public int Refused => _refusals.Count;

    /// <summary>Bytes of records that waited for the journal, at the most that was seen.</summary>
    public long BacklogBytesMost => Interlocked.Read(ref _backlogBytesMost);

    /// <summary>Starts it, and waits until plans are taken and fired.</summary>
    public static async Task<PostgresLoad> StartAsync(PostgresRig rig, Node node)
    {
        var load = new PostgresLoad(rig, node, Environment.TickCount);
        await Until.TrueAsync(() => load._acknowledged.Count >= 20 && rig.Calls.Count >= 5, "work is under way");
        return load;
    }

    /// <summary>Ends the load when every request has been answered.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _clients;
    }

    /// <summary>
    /// Stops the load and judges: every acknowledged plan was called, not early, once, and has ended as a success.
    /// </summary>
    /// <param name="judge">A node that can say what came of the plans.</param>
    /// <param name="mayRepeat">Whether a plan may have been called again after this call.</param>
    /// <returns>The figures.</returns>
    public async Task<string> JudgeAsync(Node judge, Func<Call, bool>? mayRepeat = null)
    {
        await StopAsync();
        await Until.TrueAsync(() => Missing().Count == 0, "every acknowledged plan is called");
        foreach (var plan in _acknowledged.Keys)
            await EndedAsync(judge, plan);

        var early = _rig.Calls.Where(call => DueMs(call) is { } dueMs && call.AtMs < dueMs).ToList();
        var repeated = _rig.Calls.GroupBy(call => call.Plan).Where(calls => calls.Count() > 1).ToList();
        var unexplained = repeated.Where(calls => mayRepeat is null || !mayRepeat(calls.First())).ToList();
        Assert.Empty(early);
        Assert.Empty(unexplained);
        Assert.All(_refusals, refusal => Assert.Contains(
            refusal.Error, (DeskError[])[DeskError.Overloaded, DeskError.Unknown, DeskError.Unavailable]));
        Assert.True(_slowestMs < AnswerMax.TotalMilliseconds, $"An answer took {_slowestMs} ms.");
        return $"acknowledged {_acknowledged.Count}, refused {_refusals.Count}, lost 0, early 0, "
            + $"repeated {repeated.Count} (unexplained 0), slowest answer {_slowestMs} ms, "
            + $"backlog at most {BacklogBytesMost} bytes";
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    private long? DueMs(Call call) =>
        _acknowledged.TryGetValue(PlanIdOf(call), out long dueMs) ? dueMs : null;

    private static PlanId PlanIdOf(Call call) => PlanId.From(Guid.Parse(call.Plan));

    private List<PlanId> Missing()
    {
        var called = _rig.Calls.Select(PlanIdOf).ToHashSet();
        return [.. _acknowledged.Keys.Where(plan => !called.Contains(plan))];
    }

    private static async Task EndedAsync(Node judge, PlanId plan)
    {
        var summary = await Until.AskAsync(
            async () => await SummarizeAsync(judge, plan),
            summary => summary?.Plan.State == PlanState.Completed, $"plan {plan} ends");
        Assert.Equal(PlanTaskState.Success, Assert.Single(summary!.Tasks).State);
    }

    /// <summary>Null while the tables are too far behind to tell.</summary>
    private static async Task<PlanSummary?> SummarizeAsync(Node judge, PlanId plan)
    {
        try
        {
            return await judge.Desk.SummarizeAsync(plan, NodeRig.Stopping);
        }
        catch (DeskException e) when (e.Error == DeskError.Overloaded)
        {
            return null;
        }
    }

    private async Task SubmitAsync(Random random)
    {
        using var pace = new PeriodicTimer(Pace);
        while (!_stop.IsCancellationRequested)
        {
            long periodMs = random.Next(1, PeriodMsMax);
            long sent = Stopwatch.GetTimestamp();
            try
            {
                var plan = await _node.Desk.SubmitAsync(_rig.Draft(periodMs), NodeRig.Stopping);
                _acknowledged[plan.Id] = plan.CreatedMs + periodMs;
            }
            catch (DeskException e)
            {
                _refusals.Add(e);
            }

            long tookMs = (long)Stopwatch.GetElapsedTime(sent).TotalMilliseconds;
            _slowestMs = Math.Max(_slowestMs, tookMs);
            await pace.WaitForNextTickAsync(NodeRig.Stopping);
        }
    }

    /// <summary>Reads the gauge that an operator would.</summary>
    private async Task WatchAsync()
    {
        using var pace = new PeriodicTimer(Pace);
        while (!_stop.IsCancellationRequested)
        {
            long bytes = await PostgresRig.GaugeAsync(_node, "karya_journal_backlog_bytes");
            _backlogBytesMost = Math.Max(_backlogBytesMost, bytes);
            await pace.WaitForNextTickAsync(NodeRig.Stopping);
        }
    }
}
