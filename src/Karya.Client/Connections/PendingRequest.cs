using Karya.Client.Errors;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client.Connections;

/// <summary>A request that is on a connection and has no answer yet.</summary>
internal abstract class PendingRequest
{
    /// <summary>Its place among all requests of the connection, from 1.</summary>
    public required long Sequence { get; init; }

    /// <summary>It occupies one of the places that the node grants; false for the client's own pings.</summary>
    public required bool HasSlot { get; init; }

    public required long BegunAt { get; init; }

    /// <summary>Takes the answer. Null: the answer breaks the protocol, for this reason.</summary>
    public abstract WireFault? Complete(Opcode opcode, ReadOnlySpan<byte> body, string node);

    public abstract void Fail(Exception reason);
}

internal sealed class PendingRequest<TReply> : PendingRequest where TReply : IMessage<TReply>
{
    private readonly TaskCompletionSource<TReply> _reply = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<TReply> Reply => _reply.Task;

    public override WireFault? Complete(Opcode opcode, ReadOnlySpan<byte> body, string node)
    {
        var reader = new WireReader(body);
        if (opcode == Opcode.Error)
        {
            var error = ErrorMessage.Read(ref reader);
            if (reader.TryEnd())
                _reply.TrySetException(Refusals.ToException(error, node));
            return reader.Fault;
        }

        if (opcode != TReply.Opcode)
        {
            return new WireFault(
                ErrorCode.UnknownOpcode, "opcode",
                $"The reply has opcode {(int)opcode}; expected is {(int)TReply.Opcode}.");
        }

        var reply = TReply.Read(ref reader);
        if (reader.TryEnd())
            _reply.TrySetResult(reply);
        return reader.Fault;
    }

    public override void Fail(Exception reason)
    {
        _reply.TrySetException(reason);
        _ = _reply.Task.Exception; // Whoever waited may be gone: a failure that nobody sees is none.
    }
}
