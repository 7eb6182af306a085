namespace Karya.Protocol.Messages;

/// <summary>Calls a URL.</summary>
/// <param name="Method">GET, POST, PATCH, PUT or DELETE.</param>
/// <param name="Url">With its scheme, http or https.</param>
/// <param name="Body">Sent as it is; null for none.</param>
/// <param name="TimeoutMs">0 for the default of 2 s.</param>
public sealed record RestAction(
    string Method, string Url, IReadOnlyList<KeyValuePair<string, string>> Headers, string? Body, long TimeoutMs)
    : ActionMessage
{
    internal const int SlotsMin = 6;
    internal const int SlotsMax = 7;

    /// <summary>
    /// After which statuses another attempt is made, see <see cref="RetryStatuses"/>; null for 408, 425, 429 and 5xx.
    /// An attempt that brought no answer is made again in any case. The last slot, which is left out when it is null.
    /// </summary>
    public IReadOnlyList<int>? RetryOn { get; init; }

    internal override void Write(FrameWriter writer)
    {
        writer.WriteArray(RetryOn is null ? SlotsMin : SlotsMax);
        writer.WriteInt64((int)ActionKind.Rest);
        writer.WriteString(Method);
        writer.WriteString(Url);
        writer.WriteArray(Headers.Count);
        foreach (var (name, value) in Headers)
        {
            writer.WriteArray(2);
            writer.WriteString(name);
            writer.WriteString(value);
        }

        writer.WriteStringOrNil(Body);
        writer.WriteInt64(TimeoutMs);
        if (RetryOn is null)
            return;
        writer.WriteArray(RetryOn.Count);
        foreach (int status in RetryOn)
            writer.WriteInt64(status);
    }

    /// <summary>The last slot of an action with as many slots; null when it has it not.</summary>
    public static IReadOnlyList<int>? ReadRetryOn(ref WireReader reader, int count)
    {
        if (count < SlotsMax)
            return null;
        int[] statuses = new int[reader.ReadArray("action.retry_on", 0, RetryStatuses.CountMax)];
        for (int i = 0; i < statuses.Length && !reader.HasFailed; i++)
        {
            statuses[i] = reader.ReadInt32("action.retry_on", 0);
            if (!reader.HasFailed && !RetryStatuses.IsOne(statuses[i]))
            {
                reader.Refuse(
                    ErrorCode.OutOfRange, "action.retry_on",
                    $"action.retry_on[{i}] is {statuses[i]}; it must be a status from 300 to 599, or 3, 4 or 5 for all "
                    + "that begin with it.");
            }
        }

        return statuses;
    }

    internal static RestAction ReadRest(ref WireReader reader, int count)
    {
        string method = reader.ReadString("action.method", 16);
        string url = reader.ReadString("action.url", ProtocolLimits.UrlBytesMax);
        var headers = new KeyValuePair<string, string>[
            reader.ReadArray("action.headers", 0, ProtocolLimits.HeadersMax, itemSlots: 2)];
        for (int i = 0; i < headers.Length && !reader.HasFailed; i++)
        {
            reader.ReadArray("action.header", 2, 2);
            headers[i] = new(
                reader.ReadString("action.header.name", ProtocolLimits.HeaderNameBytesMax),
                reader.ReadString("action.header.value", ProtocolLimits.HeaderValueBytesMax));
        }

        return new RestAction(
            method, url, headers, reader.ReadStringOrNil("action.body", ProtocolLimits.PayloadBytesMax),
            reader.ReadInt64("action.timeout", 0, ProtocolLimits.DurationMsMax))
        {
            RetryOn = ReadRetryOn(ref reader, count),
        };
    }
}
