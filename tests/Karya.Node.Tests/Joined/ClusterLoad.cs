using System.Collections.Concurrent;
using System.Globalization;
using Karya.Node.Plans;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>
/// A client that hands plans to whatever nodes there are, one after the other, and knows which were acknowledged. They
/// are due soon, so that they fire while partitions move.
/// </summary>
internal sealed class ClusterLoad : IAsyncDisposable
{
    private const int DueInMs = 300;

    private readonly PostgresRig _rig;
    private readonly ConcurrentQueue<Node> _nodes = new();
    private readonly ConcurrentDictionary<string, long> _dueMs = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _submitting;
    private int _refused;

    public ClusterLoad(PostgresRig rig, Node node)
    {
        _rig = rig;
        _nodes.Enqueue(node);
        _submitting = Task.Run(SubmitAsync);
    }

    /// <summary>Requests that were refused; nothing of them was done.</summary>
    public int Refused => Volatile.Read(ref _refused);

    public void Add(Node node) => _nodes.Enqueue(node);

    /// <summary>Waits until so many more were acknowledged.</summary>
    public Task MoreAsync(int count)
    {
        int wanted = _dueMs.Count + count;
        return Until.TrueAsync(() => _dueMs.Count >= wanted, "more plans are acknowledged");
    }

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await _submitting;
    }

    /// <summary>Waits until every plan that was acknowledged ran, and makes sure that none ran twice.</summary>
    public async Task AllRanOnceAsync()
    {
        await Until.TrueAsync(
            () => _dueMs.Keys.All(_rig.Calls.Select(call => call.Plan).ToHashSet().Contains), "all plans run");
        Assert.All(
            _rig.Calls.GroupBy(call => call.Plan), calls => Assert.Single(calls));
        Assert.All(
            _rig.Calls, call => Assert.True(!_dueMs.TryGetValue(call.Plan, out long dueMs) || call.AtMs >= dueMs));
    }

    public string Describe(string what)
    {
        long[] late =
        [
            .. _rig.Calls.Where(call => _dueMs.ContainsKey(call.Plan)).Select(call => call.AtMs - _dueMs[call.Plan])
                .Order(),
        ];
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{what}: acknowledged {_dueMs.Count}, refused {_refused}, "
            + $"late by {late[late.Length / 2]} ms, {late[^1]} at most");
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    private async Task SubmitAsync()
    {
        for (int i = 0; !_stop.IsCancellationRequested; i++)
        {
            var node = _nodes.ElementAt(i % _nodes.Count);
            try
            {
                var plan = await node.Desk.SubmitAsync(_rig.Draft(DueInMs), NodeRig.Stopping);
                _dueMs[plan.Id.ToString()] = plan.CreatedMs + DueInMs;
            }
            catch (DeskException)
            {
                _refused++; // It says that nothing was done.
            }

            await Task.Delay(2, CancellationToken.None);
        }
    }
}
