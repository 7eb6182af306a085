using Karya.Client.Connections;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client.Workers;

/// <summary>
/// Extends the leases of all that runs, three times per lease, with one request for all of it; and tells handlers to
/// stop whose lease ended all the same.
/// </summary>
internal sealed class LeaseKeeper(KaryaWorker worker, ClusterLink link)
{
    /// <summary>Two extensions may fail before anything is lost.</summary>
    private const int TurnsPerLease = 3;

    private static readonly Call Extending = Call.Change("Extend");

    private readonly Signal _changed = new();
    private volatile bool _isUrgent;

    /// <summary>There is a new connection, and maybe another lease.</summary>
    /// <param name="isUrgent">
    /// Something runs that came by another connection: whether it is still held is asked now.
    /// </param>
    public void OnSubscribed(bool isUrgent)
    {
        _isUrgent |= isUrgent;
        _changed.Set();
    }

    public async Task RunAsync(CancellationToken stopping)
    {
        try
        {
            long lastAt = link.Time.GetTimestamp();
            while (true)
            {
                var period = worker.Lease / TurnsPerLease;
                await WaitAsync(period - link.Time.GetElapsedTime(lastAt), stopping).ConfigureAwait(false);
                Expire();
                if (!_isUrgent && link.Time.GetElapsedTime(lastAt) < period)
                    continue;
                _isUrgent = false;
                lastAt = link.Time.GetTimestamp();
                await ExtendAsync(period / 2, stopping).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // This is how it ends.
        }
    }

    /// <summary>Until the next extension is due, a lease ends, or there is a new connection.</summary>
    private async Task WaitAsync(TimeSpan untilExtension, CancellationToken stopping)
    {
        long now = link.Time.GetTimestamp();
        var pause = untilExtension;
        foreach (var task in worker.Held())
        {
            var left = link.Time.GetElapsedTime(now, task.LeaseUntil);
            if (!task.IsLost && left < pause)
                pause = left;
        }

        using var early = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var changed = _changed.WaitAsync(early.Token);
        var due = Task.Delay(pause > TimeSpan.Zero ? pause : TimeSpan.Zero, link.Time, early.Token);
        await Task.WhenAny(changed, due).ConfigureAwait(false);
        await early.CancelAsync().ConfigureAwait(false);
        await changed.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // It may be waited for by one at a time.
        stopping.ThrowIfCancellationRequested();
    }

    private void Expire()
    {
        long now = link.Time.GetTimestamp();
        foreach (var task in worker.Held())
        {
            if (task.LeaseUntil <= now)
                worker.Lose(task, TaskCancelReason.LeaseLost);
        }
    }

    /// <param name="timeout">Half a turn: what gets no answer in it is asked again at the next.</param>
    private async Task ExtendAsync(TimeSpan timeout, CancellationToken stopping)
    {
        var ways = from task in worker.Held()
                   where !task.IsLost
                   let way = worker.WayFor(task)
                   where way is not null
                   group task by way;
        foreach (var way in ways.ToList())
        {
            foreach (var batch in way.Chunk(ProtocolLimits.PageMax))
                await ExtendAsync(way.Key, batch, timeout, stopping).ConfigureAwait(false);
        }
    }

    private async Task ExtendAsync(
        NodeConnection connection, RunningTask[] batch, TimeSpan timeout, CancellationToken stopping)
    {
        long askedAt = link.Time.GetTimestamp();
        try
        {
            var reply = await link.AskOnAsync<ExtendRequest, ExtendReply>(
                connection, Extending, new ExtendRequest([.. batch.Select(task => task.Delivery.Id)]),
                new Deadline(link.Time, timeout), stopping).ConfigureAwait(false);
            var notHeld = reply.NotHeld.ToHashSet();
            foreach (var task in batch)
            {
                if (notHeld.Contains(task.Delivery.Id))
                    worker.Lose(task, TaskCancelReason.LeaseLost);
                else
                    task.LeaseUntil = askedAt + worker.LeaseTicks; // From asking: the node began it after that.
            }
        }
        catch (ConnectionLostException)
        {
            // The next connection begins with an extension.
        }
        catch (KaryaException e)
        {
            Log.ExtendFailed(link.Logger, e.Message);
        }
    }
}
