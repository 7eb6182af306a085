using System.Collections.Concurrent;
using System.Diagnostics;
using Xunit;

namespace Karya.Process.Tests;

/// <summary>
/// Clients that submit and cancel while something is killed again and again, and the judge of what came of it: what the
/// clients were told and what the sink saw. Nothing that the node says of itself counts.
/// </summary>
internal sealed class KillLoad(Sink sink, ITestOutputHelper output)
{
    private const int Clients = 4;

    /// <summary>
    /// A cancel is acknowledged some time before the client has read the answer, and a call is under way for a moment.
    /// </summary>
    private const long CancelToleranceMs = 50;

    /// <summary>So that clients that are refused leave the processor to what recovers.</summary>
    private static readonly TimeSpan RefusedPause = TimeSpan.FromMilliseconds(10);

    private readonly ConcurrentDictionary<string, Submitted> _acknowledged = new();
    private readonly ConcurrentDictionary<string, bool> _cancelAsked = new();
    private readonly ConcurrentDictionary<string, long> _cancelled = new();
    private readonly KillTimes _kills = new();

    /// <summary>How many plans were acknowledged so far.</summary>
    public int Acknowledged => _acknowledged.Count;

    /// <summary>Kills, and notes when.</summary>
    public async Task KillAsync(Func<Task> killAsync)
    {
        long askedMs = Now();
        await killAsync();
        _kills.Add(new Kill(askedMs, Now()));
    }

    /// <summary>All clients, until they are stopped or the node is dead.</summary>
    public Task RunAsync(Uri node, string user, int seed, CancellationToken stopping) => Task.WhenAll(
        Enumerable.Range(0, Clients).Select(client => RunClientAsync(node, user, new Random(seed + client), stopping)));

    private async Task RunClientAsync(Uri node, string user, Random random, CancellationToken stopping)
    {
        using var client = new V1Client(node);
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await SubmitAsync(client, user, random);
            }
            catch (HttpRequestException e) when (e.StatusCode is not null)
            {
                await Task.Delay(RefusedPause, CancellationToken.None); // Refused, or its outcome is open.
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
            {
                return; // The node is dead. What was not answered may or may not have happened; only answers count.
            }
        }
    }

    /// <summary>Submits a plan due soon, and cancels one in ten again.</summary>
    private async Task SubmitAsync(V1Client client, string user, Random random)
    {
        var period = TimeSpan.FromMilliseconds(random.Next(1, 1500));
        var (id, createdMs) = await client.SubmitAsync(user, $"{sink.Authority}/ok", period);
        _acknowledged[id] = new Submitted(createdMs + (long)period.TotalMilliseconds);
        if (random.Next(10) != 0)
            return;
        _cancelAsked[id] = true; // If nobody answers, the plan may run or not.
        await client.CancelAsync(id);
        _cancelled[id] = Now();
    }

    /// <summary>Waits until all has arrived that must; for a time.</summary>
    public async Task WaitForAllAsync()
    {
        var limit = Stopwatch.StartNew();
        while (limit.Elapsed < TimeSpan.FromSeconds(60))
        {
            var arrived = sink.Arrivals.Select(arrival => arrival.Plan).ToHashSet();
            if (_acknowledged.Keys.All(plan => arrived.Contains(plan) || _cancelAsked.ContainsKey(plan)))
                return;
            await Task.Delay(100, CancellationToken.None); // What it waits for is in another process.
        }
    }

    private static long Now() => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();

    private bool IsLost(string plan, ICollection<string> arrived) =>
        !arrived.Contains(plan) && !_cancelAsked.ContainsKey(plan);

    /// <summary>What the node says of the first plans that never arrived: where to start looking.</summary>
    public async Task DescribeLostAsync(Uri node)
    {
        var arrived = sink.Arrivals.Select(arrival => arrival.Plan).ToHashSet();
        using var client = new V1Client(node);
        foreach (string plan in _acknowledged.Keys.Where(id => IsLost(id, arrived)).Take(3))
        {
            int kill = _kills.CountBefore(_acknowledged[plan].DueMs);
            using var summary = await client.GetAsync($"/v1/plan/{plan}/summary");
            output.WriteLine($"lost: {plan}, due before kill {kill}: {summary.RootElement}");
        }
    }

    /// <summary>Prints the figures; fails when one of them is not what it must be.</summary>
    /// <param name="what">What was killed, and the seed.</param>
    public void Judge(string what)
    {
        var byPlan = sink.Arrivals.GroupBy(a => a.Plan).ToDictionary(plan => plan.Key, plan => plan.ToList());
        var lost = _acknowledged.Keys.Where(plan => IsLost(plan, byPlan.Keys)).ToList();
        var early = sink.Arrivals
            .Where(a => _acknowledged.TryGetValue(a.Plan, out var plan) && a.AtMs < plan.DueMs).ToList();
        var zombies = sink.Arrivals
            .Where(a => _cancelled.TryGetValue(a.Plan, out long atMs) && a.AtMs > atMs + CancelToleranceMs).ToList();

        int duplicates = 0;
        var unexplained = new List<string>();
        foreach (var (plan, arrivals) in byPlan)
        {
            var inOrder = arrivals.OrderBy(arrival => arrival.AtMs).ToList();
            for (int i = 1; i < inOrder.Count; i++)
            {
                duplicates++;
                var (first, second) = (inOrder[i - 1], inOrder[i]);
                if (!_kills.Explain(first, second))
                    unexplained.Add(_kills.Describe(first, second));
            }
        }

        output.WriteLine(
            $"kill -9 x{_kills.Count} of {what}: acknowledged {_acknowledged.Count}, "
            + $"cancelled {_cancelled.Count}, executed {sink.Arrivals.Count}, lost {lost.Count}, early {early.Count}, "
            + $"cancelled-but-ran {zombies.Count}, "
            + $"duplicates {duplicates} (unexplained {unexplained.Count})");
        foreach (string duplicate in unexplained.Take(5))
            output.WriteLine($"unexplained: {duplicate}");
        Assert.True(_acknowledged.Count > _kills.Count, "The load was too small to say anything.");
        Assert.Empty(lost);
        Assert.Empty(early);
        Assert.Empty(zombies);
        Assert.Empty(unexplained);
    }

    private readonly record struct Submitted(long DueMs);
}
