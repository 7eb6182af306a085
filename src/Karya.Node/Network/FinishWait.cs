using Karya.Engine;
using Karya.Protocol.Messages;

namespace Karya.Node.Network;

/// <summary>Answers a <see cref="FinishRequest"/> when all that it ended is durable.</summary>
internal sealed class FinishWait(Connection connection, ulong tag) : IReplyTarget
{
    private readonly Lock _lock = new();
    private readonly List<ulong> _notHeld = [];
    private int _missing = 1;
    private bool _isUnknown;

    public void Expect() => Interlocked.Increment(ref _missing);

    public void NotHeld(ulong delivery)
    {
        lock (_lock)
            _notHeld.Add(delivery);
    }

    /// <summary>All deliveries were handed in.</summary>
    public void EndOne()
    {
        if (Interlocked.Decrement(ref _missing) > 0)
            return;
        if (_isUnknown)
            connection.Refuse(tag, PeerErrors.Unknown());
        else
            connection.Answer(tag, new FinishReply(_notHeld));
    }

    public void Complete(in Reply reply)
    {
        if (reply.Code == ReplyCode.WrongState)
            NotHeld(reply.Tag);
        else if (reply.Code != ReplyCode.Ok)
            _isUnknown = true;
        EndOne();
    }
}
