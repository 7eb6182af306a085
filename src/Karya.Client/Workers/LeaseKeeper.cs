using Karya.Client.Connections;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client.Workers;

/// <summary>
/// Extends the leases of all that runs, three times per lease, with one request for all of it; and tells handlers to stop
/// whose lease ended all the same.
/// </summary>
internal sealed class LeaseKeeper(KaryaWorker worker, ClusterLink link)
{
    /// <summary>Two extensions may fail before anything is lost.</summary>
    private const int TurnsPerLease = 3;

    private static readonly Call Extending = Call.Change("Extend");

    private readonly Signal _now = new();

    /// <summary>Extends before its time: the connection is new, and the node may know nothing of what runs.</summary>
    public void ExtendNow() => _now.Set();

    public async Task RunAsync(CancellationToken stopping)
    {
        try
        {
            long lastAt = link.Time.GetTimestamp();
            while (true)
            {
                var period = worker.Lease / TurnsPerLease;
                bool isEarly = await WaitAsync(period - link.Time.GetElapsedTime(lastAt), stopping).ConfigureAwait(false);
                Expire();
                if (!isEarly && link.Time.GetElapsedTime(lastAt) < period)
                    continue;
                lastAt = link.Time.GetTimestamp();
                await ExtendAsync(period, stopping).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // This is how it ends.
        }
    }

    /// <summary>Until the next extension is due, a lease ends, or somebody asks for one: true.</summary>
    private async Task<bool> WaitAsync(TimeSpan untilExtension, CancellationToken stopping)
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
        var asked = _now.WaitAsync(early.Token);
        var due = Task.Delay(pause > TimeSpan.Zero ? pause : TimeSpan.Zero, link.Time, early.Token);
        bool isEarly = await Task.WhenAny(asked, due).ConfigureAwait(false) == asked;
        await early.CancelAsync().ConfigureAwait(false);
        if (!isEarly)
            await asked.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stopping.ThrowIfCancellationRequested();
        return isEarly || asked.IsCompletedSuccessfully;
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
