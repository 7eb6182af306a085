using System.Net.Sockets;

namespace Karya.LocalServers;

/// <summary>
/// One direction of a proxied connection: a loop that reads, a loop that writes, and between them what has been read
/// and not yet written. While held, the reader goes on and the writer waits. Properties are guarded by the gate.
/// </summary>
internal sealed class ProxyDirection(ProxyGate gate, ProxyLink link, Socket from, Socket to)
{
    private const int ReadBytesMax = 16 * 1024;

    /// <summary>So that a slow receiver slows the sender down. While held there is no limit.</summary>
    private const int WaitingBytesMax = 64 * 1024;

    /// <summary>A receiver that takes nothing, because it is paused, cannot be waited for.</summary>
    private static readonly TimeSpan ArrivalMax = TimeSpan.FromSeconds(5);

    private readonly Queue<ReadOnlyMemory<byte>> _waiting = [];
    private ReadOnlyMemory<byte> _first;
    private bool _ended;
    private bool _broken;
    private bool _aborted;

    public bool Held { get; set; }

    public Cut? Cut { get; set; }

    /// <summary>Counted before they are sent: what has arrived anywhere is in it.</summary>
    public long ForwardedBytes { get; private set; }

    public long WaitingBytes { get; private set; }

    private bool IsHeld => Held || link.Held;

    /// <summary>The connection was dropped.</summary>
    public void Abort() => _aborted = true;

    /// <summary>The sender's end is gone: told to the receiver in its turn, and not while held.</summary>
    public void Break() => _ended = _broken = true;

    public async Task ReadAsync()
    {
        try
        {
            while (true)
            {
                await gate.UntilAsync(() => _aborted || IsHeld || WaitingBytes < WaitingBytesMax);
                byte[] buffer = new byte[ReadBytesMax];
                int count = await from.ReceiveAsync(buffer);
                if (count == 0)
                    break;
                gate.Change(() => Add(buffer.AsMemory(0, count)));
            }

            gate.Change(() => _ended = true);
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            gate.Change(Break);
        }
    }

    /// <summary>False when the stream did not end but break; throws when the receiver's end is gone.</summary>
    public async Task<bool> TryWriteAsync()
    {
        while (true)
        {
            ReadOnlyMemory<byte> share = default;
            Cut[] cuts = [];
            await gate.UntilAsync(() => TryTake(out share, out cuts));
            if (share.IsEmpty)
                break;

            try
            {
                await SendAsync(share, mustArrive: cuts.Length > 0);
            }
            finally
            {
                Arrived(share.Length, cuts);   // Lost bytes count as well, or a cut would wait for them.
            }
        }

        if (_broken || _aborted)
            return false;
        to.Shutdown(SocketShutdown.Send);
        return true;
    }

    private void Add(ReadOnlyMemory<byte> bytes)
    {
        _waiting.Enqueue(bytes);
        WaitingBytes += bytes.Length;
    }

    /// <summary>True with an empty share at the end.</summary>
    private bool TryTake(out ReadOnlyMemory<byte> share, out Cut[] cuts)
    {
        share = default;
        cuts = new[] { Cut, link.Cut }.OfType<Cut>().ToArray();
        if (_aborted)
            return true;
        if (IsHeld)
            return false;
        if (_first.IsEmpty && !_waiting.TryDequeue(out _first))
            return _ended;

        int count = (int)cuts.Aggregate((long)_first.Length, (least, cut) => Math.Min(least, cut.Left));
        if (count == 0)
            return false;   // The last bytes before the cut are on their way; nothing follows them.

        share = _first[..count];
        _first = _first[count..];
        WaitingBytes -= count;
        ForwardedBytes += count;
        foreach (var cut in cuts)
            cut.Take(count);
        return true;
    }

    /// <summary>
    /// A reset throws away what our end of the connection has not sent yet, so before a cut we wait until the
    /// receiver's kernel has it. There it stays readable, reset or not.
    /// </summary>
    private async Task SendAsync(ReadOnlyMemory<byte> bytes, bool mustArrive)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await to.SendAsync(bytes)..];

        long deadline = Environment.TickCount64 + (long)ArrivalMax.TotalMilliseconds;
        while (mustArrive && UnsentBytes() > 0 && Environment.TickCount64 < deadline)
            await Task.Delay(1);
    }

    private int UnsentBytes() =>
        Libc.Ioctl(to.SafeHandle.DangerousGetHandle(), Libc.UnsentBytes, out int count) == 0 ? count : 0;

    private void Arrived(int count, Cut[] cuts)
    {
        List<Cut> reached = [];
        gate.Change(() => reached.AddRange(cuts.Where(cut => cut.HasArrived(count))));

        foreach (var cut in reached)
            cut.Reached();
    }
}
