using System.Diagnostics.CodeAnalysis;
using System.Text;
using Karya.Client.Connections;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client.Workers;

/// <summary>A delivery that is being carried out here, or whose end is not told yet.</summary>
[SuppressMessage("Reliability", "CA1001:Types that own disposable fields should be disposable", Justification =
    "The source has no timer, and the handler may still hold its token: there is nothing to give back.")]
internal sealed class RunningTask(KaryaWorker worker, NodeConnection connection, Delivery delivery, long leaseUntil)
{
    private readonly CancellationTokenSource _cancelling = new();
    private readonly Lock _lock = new();
    private ProgressRequest? _nextProgress;
    private bool _isReporting;
    private long _leaseUntil = leaseUntil;
    private int _cancelReason;

    public Delivery Delivery => delivery;

    /// <summary>That it came through; it is held open until the end of the delivery is told.</summary>
    public NodeConnection Connection => connection;

    /// <summary>A timestamp. Before it, nobody else has the task.</summary>
    public long LeaseUntil
    {
        get => Interlocked.Read(ref _leaseUntil);
        set => Interlocked.Exchange(ref _leaseUntil, value);
    }

    public CancellationToken Token => _cancelling.Token;

    public TaskCancelReason CancelReason => (TaskCancelReason)Volatile.Read(ref _cancelReason);

    /// <summary>The delivery is not ours any more: whatever comes of the handler does not count.</summary>
    public bool IsLost => CancelReason is not (TaskCancelReason.None or TaskCancelReason.Shutdown);

    /// <summary>
    /// Fires the handler's token. The first reason stays, but that a delivery is lost overrides a shutdown.
    /// </summary>
    /// <returns>False: that was known.</returns>
    public bool Cancel(TaskCancelReason reason)
    {
        lock (_lock)
        {
            if (IsLost || CancelReason == reason)
                return false;
            Volatile.Write(ref _cancelReason, (int)reason);
        }

        _ = _cancelling.CancelAsync(); // The user's callbacks must not run on a loop of ours.
        return true;
    }

    public void ReportProgress(double fraction, string? note)
    {
        double within = double.IsNaN(fraction) ? 0 : Math.Clamp(fraction, 0, 1);
        lock (_lock)
        {
            _nextProgress = new ProgressRequest(delivery.Id, within, Cut(note, ProtocolLimits.ProgressBytesMax));
            if (_isReporting || IsLost)
                return;
            _isReporting = true;
        }

        _ = Task.Run(ReportAsync);
    }

    /// <summary>The beginning of a text, as much as fits, without half a character at its end.</summary>
    public static string? Cut(string? text, int bytesMax)
    {
        if (text is null || text.Length <= bytesMax / 3)
            return text;
        Span<byte> bytes = new byte[bytesMax];
        Encoding.UTF8.GetEncoder().Convert(text, bytes, flush: false, out _, out int bytesUsed, out _);
        return Encoding.UTF8.GetString(bytes[..bytesUsed]);
    }

    private async Task ReportAsync()
    {
        while (true)
        {
            ProgressRequest? progress;
            lock (_lock)
            {
                progress = _nextProgress;
                _nextProgress = null;
                if (progress is null)
                {
                    _isReporting = false;
                    return;
                }
            }

            await worker.SendProgressAsync(this, progress).ConfigureAwait(false);
        }
    }
}
