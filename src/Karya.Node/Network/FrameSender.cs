using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;

namespace Karya.Node.Network;

/// <summary>
/// The writer loop of a connection: what has gathered in the outbox goes out, one flush for all of it.
/// </summary>
/// <param name="nowMs">Milliseconds of the monotonic clock.</param>
internal sealed class FrameSender(Outbox outbox, PipeWriter output, Func<long> nowMs)
{
    private const int WrittenAtOnce = 64 * 1024;

    private long _flushSinceMs;

    /// <summary>Since when a flush waits for the peer to read; 0 when none does. Any thread may read it.</summary>
    public long FlushSinceMs => Volatile.Read(ref _flushSinceMs);

    /// <summary>Ends when the outbox is closed and empty, or the peer is gone.</summary>
    public async Task RunAsync()
    {
        try
        {
            while (await outbox.TakeAsync() is { } bytes)
            {
                if (!await WriteAsync(bytes))
                    break;
            }
        }
        catch (Exception e) when (e is IOException or ConnectionAbortedException or OperationCanceledException)
        {
            // The peer is gone; the reader sees it, too.
        }
    }

    /// <summary>
    /// In pieces, so that a peer that reads slowly is told from one that does not read at all, and the transport holds
    /// a piece and not a copy of all. False: the peer reads no more.
    /// </summary>
    private async ValueTask<bool> WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        for (int start = 0; start < bytes.Length; start += WrittenAtOnce)
        {
            var piece = bytes.Slice(start, Math.Min(WrittenAtOnce, bytes.Length - start));
            Volatile.Write(ref _flushSinceMs, nowMs());
            var result = await output.WriteAsync(piece, CancellationToken.None);
            Volatile.Write(ref _flushSinceMs, 0);
            if (result.IsCompleted)
                return false;
        }

        return true;
    }
}
