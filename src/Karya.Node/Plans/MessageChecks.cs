using System.Text;
using Karya.Protocol;

namespace Karya.Node.Plans;

/// <summary>
/// Checks actions that send a message, on the wire: Slack, e-mail and Kafka. Refusals are left with the reader.
/// </summary>
internal static class MessageChecks
{
    private const int ChannelBytesMax = 80; // Slack's own limit of a channel's name.

    public static uint ReadSlack(ref WireReader reader)
    {
        var channel = reader.ReadUtf8("action.channel", ChannelBytesMax);
        if (!reader.HasFailed && (channel.IsEmpty || channel.ContainsAnyExceptInRange((byte)0x21, (byte)0xFF)))
        {
            reader.Refuse(
                ErrorCode.InvalidName, "action.channel",
                $"action.channel is {Quote(channel)}; it must be a channel's id or name, without spaces.");
        }

        var message = reader.ReadUtf8("action.message", ProtocolLimits.PayloadBytesMax);
        if (!reader.HasFailed && SlackBlocks.ProblemWith(Encoding.UTF8.GetString(message)) is { } problem)
            reader.Refuse(ErrorCode.InvalidText, "action.message", $"action.message: {problem}");
        return Lanes.Slack;
    }

    public static uint ReadEmail(ref WireReader reader, ActionRules rules)
    {
        var recipient = reader.ReadUtf8("action.recipient", ProtocolLimits.LineBytesMax);
        if (!reader.HasFailed
            && MailAddresses.Read(Encoding.UTF8.GetString(recipient), rules.MailDomains, out _) is { } problem)
        {
            reader.Refuse(ErrorCode.InvalidAddress, "action.recipient", $"action.recipient: {problem}");
        }

        var subject = reader.ReadUtf8("action.subject", ProtocolLimits.LineBytesMax);
        if (!reader.HasFailed && MailAddresses.ProblemWithSubject(Encoding.UTF8.GetString(subject)) is { } mistake)
            reader.Refuse(ErrorCode.InvalidText, "action.subject", $"action.subject: {mistake}");
        reader.ReadUtf8("action.message", ProtocolLimits.PayloadBytesMax);
        return Lanes.Email;
    }

    public static uint ReadKafka(ref WireReader reader, ActionRules rules)
    {
        string topic = Encoding.UTF8.GetString(reader.ReadUtf8("action.topic", ProtocolLimits.LineBytesMax));
        if (!reader.HasFailed && KafkaTopics.ProblemWith(topic, rules.Topics) is { } problem)
            reader.Refuse(ErrorCode.TopicNotAllowed, "action.topic", $"action.topic: {problem}");
        if (!reader.TryReadNil())
            reader.ReadUtf8("action.key", ProtocolLimits.LineBytesMax);
        reader.ReadUtf8("action.message", ProtocolLimits.PayloadBytesMax);
        return Lanes.OfTopic(topic);
    }

    private static string Quote(ReadOnlySpan<byte> text) => Quoted.Shorten(Encoding.UTF8.GetString(text));
}
