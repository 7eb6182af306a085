using Karya.Client.Connections;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client.Workers;

/// <summary>
/// Tells the node how deliveries ended. Whatever has ended when a request goes out goes with it; a few requests are on
/// their way at once. Ends go through the connection that their delivery came from while that lives, then through the
/// next one on which the worker has subscribed.
/// </summary>
internal sealed class FinishQueue(KaryaWorker worker, ClusterLink link)
{
    /// <summary>Enough that ends need not wait for the ones before them to be durable.</summary>
    private const int RequestsInFlightMax = 4;

    /// <summary>Of one request; a single end has 80 KiB at most.</summary>
    private const int BytesMax = 512 * 1024;

    private static readonly TimeSpan PauseDefault = TimeSpan.FromSeconds(1);
    private static readonly Call Finishing = Call.Change("Finish");

    private readonly Lock _lock = new();
    private readonly LinkedList<Item> _ready = [];
    private readonly Signal _wake = new();
    private int _inFlight;
    private int _untold;
    private TaskCompletionSource? _idle;

    public void Add(RunningTask task, DeliveryEnd end)
    {
        lock (_lock)
        {
            _untold++;
            _ready.AddLast(new Item(task, end, false));
        }

        _wake.Set();
    }

    /// <summary>Completes when all ends are told.</summary>
    public Task IdleAsync()
    {
        lock (_lock)
        {
            if (_untold == 0)
                return Task.CompletedTask;
            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task;
        }
    }

    public async Task RunAsync(CancellationToken stopping)
    {
        try
        {
            while (true)
            {
                List<Item> batch;
                while ((batch = TakeBatch()).Count == 0)
                    await _wake.WaitAsync(stopping).ConfigureAwait(false);
                var connection = await worker.WayForAsync(batch[0].Task, stopping).ConfigureAwait(false);
                _ = SendAsync(connection, batch, stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // What is not told is left to its lease.
        }
    }

    /// <summary>Ends that go the same way; none when there are none, or enough requests are on their way.</summary>
    private List<Item> TakeBatch()
    {
        var batch = new List<Item>();
        int bytes = 0;
        lock (_lock)
        {
            if (_inFlight == RequestsInFlightMax)
                return batch;
            while (_ready.First is { } first && batch.Count < ProtocolLimits.PageMax)
            {
                bytes += first.Value.BytesMax;
                if (batch.Count > 0 && (bytes > BytesMax || first.Value.Task.Connection != batch[0].Task.Connection))
                    break;
                batch.Add(first.Value);
                _ready.RemoveFirst();
            }

            if (batch.Count > 0)
                _inFlight++;
        }

        return batch;
    }

    private async Task SendAsync(NodeConnection connection, List<Item> batch, CancellationToken stopping)
    {
        try
        {
            var reply = await link.AskOnAsync<FinishRequest, FinishReply>(
                connection, Finishing, new FinishRequest([.. batch.Select(item => item.End)]),
                new Deadline(link.Time, link.Options.RequestTimeout), stopping).ConfigureAwait(false);
            foreach (var item in batch)
            {
                if (reply.NotHeld.Contains(item.End.Id))
                    worker.OnEndedTooLate(item.Task, mayHaveCounted: item.WasSent);
            }

            Told(batch);
        }
        catch (ConnectionLostException lost)
        {
            PutBack(batch, lost.WasSent);
        }
        catch (KaryaException e)
        {
            var pause = (e as KaryaOverloadedException)?.RetryAfter ?? PauseDefault;
            Log.FinishFailed(link.Logger, batch.Count, (long)pause.TotalMilliseconds, e.Message);
            await Task.Delay(pause, link.Time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            PutBack(batch, wasSent: e is KaryaTimeoutException);
        }
        catch (OperationCanceledException)
        {
            // The worker stops without waiting for the answer.
        }
        finally
        {
            lock (_lock)
                _inFlight--;
            _wake.Set();
        }
    }

    private void PutBack(List<Item> batch, bool wasSent)
    {
        lock (_lock)
        {
            for (int i = batch.Count - 1; i >= 0; i--)
                _ready.AddFirst(batch[i] with { WasSent = batch[i].WasSent || wasSent });
        }

        _wake.Set();
    }

    private void Told(List<Item> batch)
    {
        foreach (var item in batch)
            worker.OnTold(item.Task);
        lock (_lock)
        {
            _untold -= batch.Count;
            if (_untold == 0)
            {
                _idle?.TrySetResult();
                _idle = null;
            }
        }
    }

    /// <param name="WasSent">The answer was lost once: that it is not held any more may be because it counted.</param>
    private readonly record struct Item(RunningTask Task, DeliveryEnd End, bool WasSent)
    {
        private const int OtherBytes = 32;

        public int BytesMax => OtherBytes + (End.Result?.Length ?? 0) + 3 * (End.Error?.Length ?? 0);
    }
}
