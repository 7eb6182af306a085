using Karya.Engine;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Network;

/// <summary>
/// What waits to be sent on a connection. Anybody writes frames, one loop sends what has gathered while it sent the
/// last: replies that come together leave together, without a timer.
/// </summary>
/// <remarks>Thread-safe, but for <see cref="TakeAsync"/>, which is the writer loop's. Bounded in bytes.</remarks>
internal sealed class Outbox : IDisposable
{
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _signal = new(0);
    private FrameWriter _filling = new();
    private FrameWriter _sending = new();
    private bool _isWaiting;
    private bool _isClosed;

    /// <summary>More waits than may: the peer does not read. Nothing is written from then on.</summary>
    public bool IsOverfull { get; private set; }

    public void Write<T>(uint correlation, T message) where T : IMessage<T>
    {
        lock (_lock)
        {
            if (!TryBegin())
                return;
            _filling.Write(correlation, message);
            EndWrite();
        }
    }

    /// <summary>A <see cref="SubmitReply"/>, without making one. It leaves with the next <see cref="Send"/>.</summary>
    public void WriteSubmitted(uint correlation, PlanId plan, Durability durability, bool existed)
    {
        lock (_lock)
        {
            if (!TryBegin())
                return;
            _filling.Begin(SubmitReply.Opcode, correlation);
            _filling.WriteArray(3);
            _filling.WriteUuid(plan.Value);
            _filling.WriteInt64((int)durability);
            _filling.WriteBool(existed);
            _filling.End();
        }
    }

    /// <summary>A push that leaves with the next <see cref="Send"/>. False: it will not.</summary>
    public bool TryWrite<T>(T message) where T : IMessage<T>
    {
        lock (_lock)
        {
            if (!TryBegin())
                return false;
            _filling.Write(0, message);
            return true;
        }
    }

    /// <summary>What was written without being sent is sent. Cheap when there is nothing.</summary>
    public void Send()
    {
        lock (_lock)
        {
            if (_filling.Length > 0)
                EndWrite();
        }
    }

    /// <summary>
    /// A <see cref="Delivery"/>, without making one. It leaves with the next <see cref="Send"/>. False: it will not.
    /// </summary>
    public bool WriteDelivery(
        ulong id, in Dispatch dispatch, ReadOnlySpan<byte> name, ReadOnlySpan<byte> arguments, long timeoutMs)
    {
        lock (_lock)
        {
            if (!TryBegin())
                return false;
            _filling.Begin(Opcode.Delivery, 0);
            _filling.WriteArray(12);
            _filling.WriteUInt64(id);
            _filling.WriteUuid(Uuid.ToNumber(dispatch.Key.ToTaskId()));
            _filling.WriteUuid(dispatch.Key.Plan.Value);
            _filling.WriteInt64(dispatch.Key.Occurrence);
            _filling.WriteInt64(dispatch.Key.Hook);
            _filling.WriteUtf8(name);
            _filling.WriteBinary(arguments);
            _filling.WriteInt64(dispatch.Attempt);
            _filling.WriteInt64(dispatch.AttemptsMax);
            _filling.WriteInt64(dispatch.DueMs);
            _filling.WriteInt64(timeoutMs);
            _filling.WriteInt64(dispatch.Epoch);
            _filling.End();
            return true;
        }
    }

    /// <summary>The last frame; nothing is taken after it.</summary>
    public void Close(ErrorMessage? farewell)
    {
        lock (_lock)
        {
            if (_isClosed)
                return;
            if (farewell is not null)
                _filling.Write(0, farewell);
            _isClosed = true;
            EndWrite();
        }
    }

    /// <summary>Waits for frames. Null: closed, and all is sent. What it gives is valid until the next call.</summary>
    public async ValueTask<ReadOnlyMemory<byte>?> TakeAsync()
    {
        while (true)
        {
            lock (_lock)
            {
                if (_filling.Length > 0)
                {
                    _sending.Clear();
                    (_filling, _sending) = (_sending, _filling);
                    return _sending.Written;
                }

                if (_isClosed)
                    return null;
                _isWaiting = true;
            }

            await _signal.WaitAsync(CancellationToken.None);
        }
    }

    public void Dispose() => _signal.Dispose();

    private bool TryBegin()
    {
        IsOverfull |= _filling.Length > NetworkOptions.UnreadBytesMax;
        return !_isClosed && !IsOverfull;
    }

    private void EndWrite()
    {
        if (!_isWaiting)
            return;
        _isWaiting = false;
        _signal.Release();
    }
}
