using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Karya.Node.Execution;

/// <summary>
/// Signs requests by the Standard Webhooks specification (1.0.0, symmetric signatures): a target that knows the key can
/// tell that a request is ours, unchanged and recent. Thread-safe.
/// </summary>
/// <remarks>
/// <code>
/// webhook-id: the task's id, the same for all attempts
/// webhook-timestamp: seconds since 1970 UTC, of the attempt
/// webhook-signature: v1,base64(HMAC-SHA256(key, "{id}.{timestamp}.{body}"))
/// </code>
/// </remarks>
internal sealed class WebhookSigner(byte[] key)
{
    private const string IdName = "webhook-id";
    private const string TimestampName = "webhook-timestamp";
    private const string SignatureName = "webhook-signature";

    /// <summary>Headers that nobody else sets when requests are signed.</summary>
    public static bool IsOwn(string header) =>
        header.StartsWith("webhook-", StringComparison.OrdinalIgnoreCase);

    public void Sign(HttpRequestMessage request, string id, DateTimeOffset now, ReadOnlySpan<byte> body)
    {
        string timestamp = now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        request.Headers.TryAddWithoutValidation(IdName, id);
        request.Headers.TryAddWithoutValidation(TimestampName, timestamp);
        request.Headers.TryAddWithoutValidation(SignatureName, SignatureOf(id, timestamp, body));
    }

    public string SignatureOf(string id, string timestamp, ReadOnlySpan<byte> body)
    {
        using var mac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        mac.AppendData(Encoding.UTF8.GetBytes($"{id}.{timestamp}."));
        mac.AppendData(body);
        return "v1," + Convert.ToBase64String(mac.GetHashAndReset());
    }
}
