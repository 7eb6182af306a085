using System.Security.Cryptography;
using System.Text;
using Karya.Engine;
using Karya.Engine.Shards;
using Karya.Node.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Network;

/// <summary>Serves other nodes of the cluster. Thread-safe.</summary>
/// <param name="secret">By which nodes know each other.</param>
/// <param name="partitionCount">Of the cluster.</param>
/// <param name="shards">All of the node.</param>
/// <param name="forwarder">Knows what is here.</param>
internal sealed class PeerDesk(
    string secret, int partitionCount, IReadOnlyList<Shard> shards, Forwarder forwarder)
{
    private readonly byte[] _secret = Encoding.UTF8.GetBytes(secret);

    /// <summary>Whether a token is another node's.</summary>
    public bool Knows(string token) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(token), _secret);

    /// <summary>Hands a command to its shard; what becomes of it is answered when it is durable.</summary>
    public void Take(Connection connection, ulong tag, ForwardRequest request)
    {
        if (!PeerCommand.TryRead(request.Command, out var command)
            || command.Partition != PartitionHash.Of(command.Key.Plan.Value, partitionCount))
        {
            SubmitDesk.Drop(command);
            connection.Refuse(tag, PeerErrors.Of(
                ErrorCode.Malformed, "The command is none that this version knows.", "forward.command"));
            return;
        }

        command.ReplyTo = new Wait(connection, tag);
        var inbox = shards[command.Partition % shards.Count].Inbox;
        if (!forwarder.IsHere(command.Partition))
        {
            SubmitDesk.Drop(command);
            connection.Refuse(tag, PeerErrors.NotOwner()); // It is not sent on from here: it might go round for ever.
        }
        else if (command.IsOutcome)
        {
            inbox.PostOutcome(command);
        }
        else if (!inbox.TryPost(command))
        {
            SubmitDesk.Drop(command);
            connection.Refuse(tag, connection.NotTaken());
        }
    }

    /// <summary>Never throws.</summary>
    public async Task CatchUpAsync(Connection connection, ulong tag, CatchUpRequest request)
    {
        if (request.Partitions.Any(partition => partition >= partitionCount))
        {
            connection.Refuse(tag, PeerErrors.Of(
                ErrorCode.OutOfRange, $"There are {partitionCount} partitions.", "catch_up.partitions"));
        }
        else if (await forwarder.TryCatchUpHereAsync(request.Partitions))
        {
            connection.Answer(tag, new CatchUpReply());
        }
        else
        {
            connection.Refuse(tag, PeerErrors.NotOwner());
        }
    }

    /// <summary>Waits for a shard's answer to a command of another node.</summary>
    private sealed class Wait(Connection connection, ulong tag) : IReplyTarget
    {
        public void Complete(in Reply reply)
        {
            if (reply.Code == ReplyCode.NotOwner)
                connection.Refuse(tag, PeerErrors.NotOwner());
            else
                connection.Answer(tag, new ForwardReply((int)reply.Code));
        }

        public void EndOfTurn() => connection.Send();
    }
}
