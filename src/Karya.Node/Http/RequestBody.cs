using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;
using Karya.Node.Plans;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Karya.Node.Http;

/// <summary>The body of a request that must be JSON, or why there is none.</summary>
/// <param name="Json">Null when it was refused; the caller disposes it.</param>
internal readonly record struct RequestBody(JsonDocument? Json, int Status, string Reason)
{
    /// <summary>
    /// Nesting of objects and arrays: enough for any allowed chain of plans, and no threat to a stack.
    /// </summary>
    public const int JsonDepthMax = 64;

    private const int BufferBytesFirst = 4096;

    /// <summary>
    /// Reads and parses the body. What it refuses has been read all the same, so that the answer can be heard.
    /// </summary>
    public static async ValueTask<RequestBody> ReadAsync(HttpContext context, int bytesMax)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytesFirst);
        try
        {
            int count = 0;
            long total = 0;
            while (true)
            {
                if (count == buffer.Length)
                    buffer = Grow(buffer);

                int read = await context.Request.Body.ReadAsync(buffer.AsMemory(count), context.RequestAborted);
                if (read == 0)
                    break;

                total += read;
                count = total > bytesMax ? 0 : count + read; // What is too long is read on and forgotten.
            }

            if (RefuseType(context.Request) is { } wrongType)
                return Refused(StatusCodes.Status415UnsupportedMediaType, wrongType);

            return total > bytesMax
                ? TooLarge(bytesMax)
                : Parse(buffer.AsSpan(0, count));
        }
        catch (BadHttpRequestException excess) when (excess.StatusCode == StatusCodes.Status413PayloadTooLarge)
        {
            return TooLarge(bytesMax); // Longer still than what is read and thrown away.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static RequestBody TooLarge(int bytesMax) => Refused(
        StatusCodes.Status413PayloadTooLarge, $"The body is too large: at most {bytesMax} bytes are accepted.");

    private static byte[] Grow(byte[] buffer)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
        buffer.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(buffer);
        return larger;
    }

    private static string? RefuseType(HttpRequest request)
    {
        if (request.Headers.ContentEncoding.Count > 0)
            return "Content-Encoding is not accepted: send the JSON as it is.";

        string sent = request.ContentType ?? "";
        bool isJson = MediaTypeHeaderValue.TryParse(sent, out var type)
            && (type.MediaType.Equals(Answer.JsonType, StringComparison.OrdinalIgnoreCase)
                || (type.Type.Equals("application", StringComparison.OrdinalIgnoreCase)
                    && type.Suffix.Equals("json", StringComparison.OrdinalIgnoreCase)));
        if (!isJson)
            return $"Content-Type is {Quoted.Shorten(sent)}; send application/json.";

        var charset = HeaderUtilities.RemoveQuotes(type!.Charset);
        return !charset.HasValue || charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase)
            ? null
            : $"The charset is {Quoted.Shorten(charset)}; JSON is UTF-8.";
    }

    private static RequestBody Parse(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return Bad("The body is empty; a JSON object is expected.");

        if (!Utf8.IsValid(bytes))
            return Bad("The body is not valid UTF-8.");

        try
        {
            // Unlike Parse, this copies what it reads, so the buffer can go back to the pool.
            var reader = new Utf8JsonReader(bytes, new JsonReaderOptions { MaxDepth = JsonDepthMax });
            var json = JsonDocument.ParseValue(ref reader);
            return reader.BytesConsumed == bytes.TrimEnd(" \t\r\n"u8).Length
                ? new RequestBody(json, StatusCodes.Status200OK, "")
                : TrailingText(json, reader.BytesConsumed);
        }
        catch (JsonException mistake)
        {
            return Bad(
                $"The body is not valid JSON (line {mistake.LineNumber + 1}, byte {mistake.BytePositionInLine + 1}): "
                + mistake.Message.Split(" LineNumber:")[0]);
        }
    }

    private static RequestBody TrailingText(JsonDocument json, long end)
    {
        json.Dispose();
        return Bad($"The body is not valid JSON: something follows after its end at byte {end + 1}.");
    }

    private static RequestBody Bad(string reason) => Refused(StatusCodes.Status400BadRequest, reason);

    private static RequestBody Refused(int status, string reason) => new(null, status, reason);
}
