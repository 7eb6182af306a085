using System.Buffers;

namespace Karya.Node.Plans;

/// <summary>Names of Kafka topics. Pure.</summary>
internal static class KafkaTopics
{
    /// <summary>Kafka's own limit.</summary>
    public const int CharsMax = 249;

    private static readonly SearchValues<char> Letters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    /// <summary>Why a text is no topic that may be published to; null when it may be one.</summary>
    public static string? ProblemWith(string topic)
    {
        if (topic.Length is 0 or > CharsMax || topic is "." or ".." || topic.AsSpan().ContainsAnyExcept(Letters))
        {
            return $"{Quoted.Shorten(topic)} is no topic: a topic has 1 to {CharsMax} letters, digits, '.', '_' and "
                + "'-'.";
        }

        return topic.StartsWith("__", StringComparison.Ordinal)
            ? $"{Quoted.Shorten(topic)} belongs to Kafka itself, as all topics do that begin with '__'."
            : null;
    }

    /// <summary>The same for topics of a list.</summary>
    public static string? ProblemWith(string topic, IReadOnlyList<string> list) =>
        ProblemWith(topic) ?? (IsListed(list, topic)
            ? null
            : $"the topic {Quoted.Shorten(topic)} is not allowed; connectors.kafka.topics does not name it.");

    /// <summary>Whether a list has the topic: by name, or by how it begins with a <c>*</c> at the end.</summary>
    private static bool IsListed(IReadOnlyList<string> list, string topic)
    {
        foreach (string entry in list)
        {
            bool isStart = entry.EndsWith('*') && topic.AsSpan().StartsWith(entry.AsSpan(0, entry.Length - 1));
            if (isStart || entry == topic)
                return true;
        }

        return false;
    }
}
