using System.Diagnostics.CodeAnalysis;
using Karya.Engine;
using Karya.Protocol.Messages;

namespace Karya.Node.Plans;

/// <summary>
/// Carries out one operation: counts what it applies to, then goes through it once more and changes it.
/// </summary>
/// <remarks>
/// It writes down how far it is once a second. After a crash it goes on from there, so that what it did in the last
/// second is met again: as no dead letter any more, or as one that has failed again meanwhile.
/// </remarks>
internal sealed class OperationRun(Operation operation, OperationParts parts, TimeProvider clock)
{
    /// <summary>Letters replayed at the same time when they are not spread: their records share commits.</summary>
    private const int AtOnceMax = 64;

    private const int PageSize = 500;

    private static readonly TimeSpan SavePeriod = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private Operation _operation = operation;
    private OperationSnapshot _now = operation.Snapshot;
    private TaskKey? _below = operation.Below;
    private long _savedAt = clock.GetTimestamp();
    private bool _isOver;

    // When the changes began, or went on, in this process, and how many there were before.
    private long _startedAt;
    private long _before;

    /// <summary>Ends when the operation has, when somebody else has taken it over, or with the node.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "Whatever the store says, it is asked again.")]
    public async Task RunAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                await GoOnAsync(stopping);
                return;
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                // It is left as it is.
            }
            catch (Exception e)
            {
                _now = _now with { Note = $"It goes on when this has passed: {e.Message}" };
                await Task.Delay(Patience, clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        await LeaveAsync();
    }

    private async Task GoOnAsync(CancellationToken stopping)
    {
        if (_now is { IsStopAsked: true, HasEnded: false }) // While nobody carried it out.
            _now = _now with { State = OperationState.Stopped };
        if (_now.State == OperationState.Counting)
            await CountAsync(stopping);
        if (_now.State == OperationState.Running && !_isOver)
            await ChangeAllAsync(stopping);
        if (_now.HasEnded && !_isOver)
            await SaveAsync(stopping);
    }

    private async Task CountAsync(CancellationToken stopping)
    {
        while (!_isOver)
        {
            stopping.ThrowIfCancellationRequested();
            var scan = await ScanAsync(DeadLetterOffice.LookMax, stopping);
            _now = _now with { Matched = _now.Matched + scan.Letters.Count, Note = null };
            _below = scan.Next;
            if (_below is null)
            {
                bool isAll = _now.IsDryRun || _now.Matched == 0;
                _now = _now with { State = isAll ? OperationState.Done : OperationState.Running };
                return;
            }

            await SaveIfDueAsync(stopping);
        }
    }

    private async Task ChangeAllAsync(CancellationToken stopping)
    {
        await SaveAsync(stopping); // How many there are, before the first is changed.
        _startedAt = clock.GetTimestamp();
        _before = _now.Changed + _now.Passed;
        while (!_isOver)
        {
            stopping.ThrowIfCancellationRequested();
            var scan = await ScanAsync(PageSize, stopping);
            if (_now.Verb == DeadLetterVerb.Drop)
                await DropAsync(scan, stopping);
            else
                await ReplayAsync(scan, stopping);
            if (_isOver)
                return;
            _below = scan.Next;
            if (_below is null)
            {
                _now = _now with { State = OperationState.Done, Note = null };
                return;
            }

            await SaveIfDueAsync(stopping);
        }
    }

    private async Task DropAsync(DeadLetterScan scan, CancellationToken stopping)
    {
        TaskKey[] keys = [.. scan.Letters.Select(letter => letter.Task.Key)];
        int dropped = await parts.AskAsync(store => store.DropDead(keys), stopping);
        Count(keys.Length, dropped);
    }

    private void Count(int met, int changed) => _now = _now with
    {
        Changed = _now.Changed + changed,
        Passed = _now.Passed + met - changed,
        Note = null,
    };

    private async Task ReplayAsync(DeadLetterScan scan, CancellationToken stopping)
    {
        for (int i = 0; i < scan.Letters.Count && !_isOver;)
        {
            int due = await WaitForNextAsync(stopping);
            int count = Math.Min(Math.Min(due, AtOnceMax), scan.Letters.Count - i);
            var batch = scan.Letters.Skip(i).Take(count).ToArray();
            bool[] replayed = await Task.WhenAll(
                batch.Select(letter => parts.Replay(letter.Task.Key, stopping).AsTask()));
            int changed = replayed.Count(one => one);
            Count(count, changed);
            i += count;
            _below = batch[^1].Task.Key;
            await SaveIfDueAsync(stopping);
        }
    }

    /// <summary>How many are due by now, at least one; waits for it.</summary>
    private async Task<int> WaitForNextAsync(CancellationToken stopping)
    {
        while (true)
        {
            int due = DueNow(out var pause);
            if (due > 0 || _isOver)
                return due;
            await Task.Delay(pause < SavePeriod ? pause : SavePeriod, clock, stopping);
            await SaveIfDueAsync(stopping);
        }
    }

    /// <summary>
    /// Of n that are left, number i is due after i/n of the time that is left of the spread: the part that those before
    /// a takeover have used up is not made up for.
    /// </summary>
    private int DueNow(out TimeSpan pause)
    {
        pause = TimeSpan.Zero;
        long left = _now.Matched - _before;
        if (_now.SpreadMs == 0 || left <= 0)
            return AtOnceMax;
        double spreadMs = _now.SpreadMs * ((double)left / _now.Matched);
        double stepMs = spreadMs / left;
        long done = _now.Changed + _now.Passed - _before;
        double elapsedMs = clock.GetElapsedTime(_startedAt).TotalMilliseconds;
        long due = (long)(elapsedMs / stepMs) + 1 - done;
        if (due <= 0)
            pause = TimeSpan.FromMilliseconds(Math.Ceiling(done * stepMs - elapsedMs));
        return (int)Math.Clamp(due, 0, int.MaxValue);
    }

    private ValueTask<DeadLetterScan> ScanAsync(int take, CancellationToken stopping) =>
        parts.AskAsync(store => DeadLetterOffice.Scan(store, _now.Filter, _below, take), stopping);

    private async Task SaveIfDueAsync(CancellationToken stopping)
    {
        if (clock.GetElapsedTime(_savedAt) >= SavePeriod)
            await SaveAsync(stopping);
    }

    /// <summary>Writes down how far it is, and sees whether it is to stop, or has been taken over.</summary>
    private async Task SaveAsync(CancellationToken stopping)
    {
        _now = _now with { UpdatedMs = parts.NowMs() };
        var row = (_operation with { Snapshot = _now, Below = _below }).ToRow();
        var stored = await parts.AskAsync(store => store.PutOperation(row), stopping);
        _savedAt = clock.GetTimestamp();
        if (stored is null || _now.HasEnded)
        {
            _isOver = true;
            return;
        }

        _operation = _operation with { Version = stored.Version };
        if (!stored.IsStopAsked)
            return;
        _now = _now with { State = OperationState.Stopped, IsStopAsked = true };
        await SaveAsync(stopping);
    }

    /// <summary>The node stops: whoever looks next may go on at once.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "Then it is taken over half a minute later.")]
    private async Task LeaveAsync()
    {
        try
        {
            _now = _now with { UpdatedMs = 0 };
            var row = (_operation with { Snapshot = _now, Below = _below }).ToRow();
            await parts.AskAsync(store => store.PutOperation(row), CancellationToken.None);
        }
        catch (Exception)
        {
            // The store is away.
        }
    }
}
